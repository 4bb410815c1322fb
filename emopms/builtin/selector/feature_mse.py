"""The selector ``feature_mse``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Selector, Site

if TYPE_CHECKING:
    from torch import nn


class FeatureMse(Selector):
    """Relative squared distance from the dense features, ‖g − f‖² / ‖f‖². It needs neither training nor labels.

    On large maps it uses every second row only (every second column if the channels come last).
    """

    name: Literal["feature_mse"] = "feature_mse"

    def criterion(self, site: Site) -> nn.Module:
        from emopms.network import FeatureDistance

        return FeatureDistance()
