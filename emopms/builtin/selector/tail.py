"""The selector ``tail``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Selector, Site

if TYPE_CHECKING:
    from torch import nn


class Tail(Selector):
    """Cross-entropy loss of the rest of the dense network on the features.

    This is the most accurate criterion and the most expensive: every evaluation runs the rest of the network.
    """

    name: Literal["tail"] = "tail"

    def criterion(self, site: Site) -> nn.Module:
        from emopms.network import TailLoss

        return TailLoss(site.tail)
