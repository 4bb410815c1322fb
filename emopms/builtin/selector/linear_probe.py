"""The selector ``linear_probe``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Site, TrainedSelector

if TYPE_CHECKING:
    from torch import nn


class LinearProbe(TrainedSelector):
    """Cross-entropy loss of a linear classifier on features that are averaged over positions."""

    name: Literal["linear_probe"] = "linear_probe"

    def criterion(self, site: Site) -> nn.Module:
        from emopms.network import LinearProbeLoss

        return LinearProbeLoss(site.channels, site.classes, site.channel_dim)
