"""Slot ``sampling``: the initial population of a search."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.component import Component

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network import SubNetwork


class Sampling(Component):
    """A way to draw the first candidates of a sub-network."""

    slot: ClassVar[str] = "sampling"

    @abstractmethod
    def sample(self, subnetwork: SubNetwork, inputs: Tensor, count: int, rng: np.random.Generator) -> NDArray[Any]:
        """Draw ``count`` genomes, boolean [count, genes].

        The engine repairs genomes that keep too few channels of some layer.

        Args:
            subnetwork: The sub-network whose genomes are drawn. It must not be changed.
            inputs: Features [N, …] that enter the sub-network. The dense network computed them from images that are
                not test images.
            count: Number of genomes.
            rng: The only source of randomness.
        """
