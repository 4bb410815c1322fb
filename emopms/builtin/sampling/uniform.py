"""The sampling ``uniform``: draws the first genomes of a search at random, without looking at the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network import SubNetwork


class Uniform(Sampling):
    """Keep each channel with the same probability. This probability is drawn at random for each candidate.

    The weights of the network are ignored. Comparing results with those of this sampling shows what other samplings
    gain.
    """

    name: Literal["uniform"] = "uniform"

    def sample(self, subnetwork: SubNetwork, inputs: Tensor, count: int, rng: np.random.Generator) -> NDArray[Any]:
        genes = subnetwork.channels.genes
        return rng.random((count, genes)) < rng.uniform(0.05, 1.0, (count, 1))
