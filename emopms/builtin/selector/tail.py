"""The dense rest of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Selector, Site

if TYPE_CHECKING:
    from torch import nn


class Tail(Selector):
    """Runs the features through the dense rest of the network; its loss is the cross-entropy.

    The most faithful judge and the dearest: every evaluation pays for the rest of the network.
    """

    name: Literal["tail"] = "tail"

    def criterion(self, site: Site) -> nn.Module:
        from emopms.network.criteria import TailLoss

        return TailLoss(site.tail)
