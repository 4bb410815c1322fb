"""The selector ``tail``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Selector, Site

if TYPE_CHECKING:
    from torch import nn


class Tail(Selector):
    """Cross-entropy of the class scores that later dense sub-networks compute from a sub-network's output features.

    This is the most accurate selector criterion and the most expensive: every evaluation runs all later sub-networks.
    """

    name: Literal["tail"] = "tail"

    def criterion(self, site: Site) -> nn.Module:
        from emopms.network import TailLoss

        return TailLoss(site.tail)
