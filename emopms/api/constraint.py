"""Slot ``constraint``: training each sub-network for what its neighbours will do once pruned."""

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

    from emopms.network.partition.subnetwork import SubNetwork


@dataclass(frozen=True)
class ChainStep:
    """One batch, seen by all sub-networks."""

    references: Sequence[Tensor]
    """f_0 … f_n of the frozen dense network: the images, what crosses each split, the class scores."""
    labels: Tensor
    subnetworks: Sequence[SubNetwork]
    """N_1 … N_n, being trained; in training mode."""
    criteria: Sequence[nn.Module]
    """S_1 … S_n, frozen (see `Selector.judge`)."""
    draw: Callable[[int], NDArray[Any]]
    """A random genome for the i-th sub-network, of a random size."""


class Constraint(Component):
    """Cross-network constraint training (second idea of EMO-PMS, arXiv 2303.16212), or its absence."""

    slot: ClassVar[str] = "constraint"


class ConstraintTraining(Constraint):
    """Trains all sub-networks together before they are searched."""

    epochs: Count = 1
    """Passes over the training images."""
    lr: Rate = 1e-2
    """Peak learning rate (SGD, cosine schedule)."""
    batch_size: BatchSize = 128
    """Images a step."""

    @abstractmethod
    def loss(self, step: ChainStep) -> Tensor:
        """The scalar to minimise on this batch, over the parameters of all sub-networks."""
