"""Slot ``sampling``: the population that a search starts from."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.component import Component

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network.partition.subnetwork import SubNetwork


class Sampling(Component):
    """Draws candidates of a sub-network."""

    slot: ClassVar[str] = "sampling"

    @abstractmethod
    def sample(self, subnetwork: SubNetwork, inputs: Tensor, count: int, rng: np.random.Generator) -> NDArray[Any]:
        """Draw ``count`` genomes, boolean [count, genes]. Groups left empty are repaired by the engine.

        Args:
            inputs: Features [N, …] that enter the sub-network, of images that are not for testing.
        """
