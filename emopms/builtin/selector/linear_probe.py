"""A linear classifier on pooled features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Site, TrainedSelector

if TYPE_CHECKING:
    from torch import nn


class LinearProbe(TrainedSelector):
    """A linear classifier on features averaged over positions; its loss is the cross-entropy."""

    name: Literal["linear_probe"] = "linear_probe"

    def criterion(self, site: Site) -> nn.Module:
        from emopms.network.criteria import LinearProbeLoss

        return LinearProbeLoss(site.channels, site.classes, site.channel_dim)
