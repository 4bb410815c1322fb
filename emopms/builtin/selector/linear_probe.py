"""The selector ``linear_probe``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Site, TrainedSelector

if TYPE_CHECKING:
    from torch import nn


class LinearProbe(TrainedSelector):
    """Cross-entropy of a trained linear classifier on a sub-network's output features, averaged over all positions of
    an image."""

    name: Literal["linear_probe"] = "linear_probe"

    def criterion(self, site: Site) -> nn.Module:
        from emopms.network import LinearProbeLoss

        return LinearProbeLoss(site.channels, site.classes, site.channel_dim)
