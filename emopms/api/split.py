"""Slot ``split``: where the network is cut into sub-networks."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from emopms.component import Component

if TYPE_CHECKING:
    from torch import Tensor, nn


class Split(Component):
    """Chooses the split points of a network."""

    slot: ClassVar[str] = "split"

    @abstractmethod
    def find(self, network: nn.Module, example: Tensor, *, prune_residual: bool = False) -> list[str]:
        """Choose the points of one network.

        Args:
            network: The network, to be left as it is.
            example: A batch of images [N, C, H, W] that fit it.
            prune_residual: Whether residual streams inside sub-networks are pruned, as `genome.prune_residual` says:
                each sub-network needs something to prune.

        Returns:
            Module paths after which to cut, in the order of the forward pass; none for the whole network.
        """
