"""The selector ``feature_mse``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Selector, Site

if TYPE_CHECKING:
    from torch import nn


class FeatureMse(Selector):
    """Relative squared distance ‖g − f‖² / ‖f‖² of features g from the features f of the dense network.

    It needs neither training nor labels. On large feature maps, it uses only every second row. If the channels come
    last, it uses only every second column.
    """

    name: Literal["feature_mse"] = "feature_mse"

    def criterion(self, site: Site) -> nn.Module:
        from emopms.network import FeatureDistance

        return FeatureDistance()
