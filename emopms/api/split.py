"""Slot ``split``: the points at which the network is cut into sub-networks."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from emopms.component import Component
from emopms.network import NO_LIMITS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.network import Limits


class Split(Component):
    """A rule that chooses the split points of a network: the modules after which the network is cut.

    Dividing the network is the first idea of EMO-PMS (arXiv 2303.16212).
    """

    slot: ClassVar[str] = "split"

    @abstractmethod
    def find(
        self, network: nn.Module, example: Tensor, *, prune_residual: bool = False, limits: Limits = NO_LIMITS
    ) -> list[str]:
        """Choose the split points of one network.

        Args:
            network: The network. It must not be changed.
            example: A batch of images [N, C, H, W] that fits the network.
            prune_residual: Whether layers whose outputs are added by residual shortcuts inside a sub-network are
                pruned too, as the setting `genome.prune_residual` of the spec says. Each sub-network needs at least
                one layer that can be pruned.
            limits: What layers keep, as the settings under `genome` of the spec say.

        Returns:
            Paths of the modules after which to cut, in the order of the forward pass. With an empty list, the network
            is not divided.
        """
