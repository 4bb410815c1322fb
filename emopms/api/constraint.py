"""Slot ``constraint``: training that lets each sub-network work well when the sub-networks before it are pruned."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.api.numbers import BatchSize, Count, Rate
from emopms.component import Component
from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.network import SubNetwork


@documented
@dataclass(frozen=True)
class ChainStep:
    """One batch of constraint training: the features and labels of its images, and the sub-networks to train."""

    references: Sequence[Tensor]
    """Features f_0 … f_n of the dense network before this training: f_0 are the images, f_i are the features at split
    i, and f_n are the class scores."""
    labels: Tensor
    """Class numbers, int64 [N]."""
    subnetworks: Sequence[SubNetwork]
    """Sub-networks N_1 … N_n, which are trained. They are in training mode."""
    criteria: Sequence[nn.Module]
    """Criteria S_1 … S_n, one per sub-network, as `Selector.criterion` returns them. This training does not change
    them."""
    draw: Callable[[int], NDArray[Any]]
    """Function that draws a random genome, boolean [genes], of the i-th sub-network. The number of channels that the
    genome keeps is random too."""


class Constraint(Component):
    """Training that prepares each sub-network for the pruning of the sub-networks before it, or no training.

    It is cross-network constraint training, the second idea of EMO-PMS (arXiv 2303.16212).
    """

    slot: ClassVar[str] = "constraint"


class ConstraintTraining(Constraint):
    """A constraint that trains all sub-networks together before the search."""

    epochs: Count = 1
    """Number of passes over the training images."""
    lr: Rate = 1e-2
    """Largest learning rate of the training (SGD with a cosine schedule)."""
    batch_size: BatchSize = 128
    """Images per training step."""

    @abstractmethod
    def loss(self, step: ChainStep) -> Tensor:
        """Return the loss of one batch, a scalar with gradients.

        The engine minimises this loss over the parameters of all sub-networks.
        """
