"""Slot ``constraint``: training that prepares each sub-network for pruned neighbours."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.api.numbers import BatchSize, Count, Rate
from emopms.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.network import SubNetwork


@dataclass(frozen=True)
class ChainStep:
    """One batch of images, as all sub-networks see it."""

    references: Sequence[Tensor]
    """Features f_0 … f_n of the frozen dense network: f_0 the images, f_i the features at split i, f_n the class
    scores."""
    labels: Tensor
    """Class numbers, int64 [N]."""
    subnetworks: Sequence[SubNetwork]
    """Sub-networks N_1 … N_n, which are trained. They are in training mode."""
    criteria: Sequence[nn.Module]
    """Frozen criteria S_1 … S_n, one per sub-network (see `Selector.criterion`)."""
    draw: Callable[[int], NDArray[Any]]
    """Function that draws a random genome, boolean [genes], of the i-th sub-network. Its size is random too."""


class Constraint(Component):
    """Cross-network constraint training (second idea of EMO-PMS, arXiv 2303.16212), or none."""

    slot: ClassVar[str] = "constraint"


class ConstraintTraining(Constraint):
    """A constraint that trains all sub-networks together before the search."""

    epochs: Count = 1
    """Number of passes over the training images."""
    lr: Rate = 1e-2
    """Peak learning rate (SGD, cosine schedule)."""
    batch_size: BatchSize = 128
    """Images per training step."""

    @abstractmethod
    def loss(self, step: ChainStep) -> Tensor:
        """Return the loss of this batch, a scalar with gradients.

        The engine minimises it over the parameters of all sub-networks.
        """
