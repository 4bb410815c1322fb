"""Distance from the dense network's features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Selector, Site

if TYPE_CHECKING:
    from torch import nn


class FeatureMse(Selector):
    """Relative squared distance from the dense features, ‖g − f‖² / ‖f‖²: no training, no labels.

    Of large maps every second row counts (of maps whose channels come last, every second column).
    """

    name: Literal["feature_mse"] = "feature_mse"

    def criterion(self, site: Site) -> nn.Module:
        from emopms.network.criteria import FeatureDistance

        return FeatureDistance()
