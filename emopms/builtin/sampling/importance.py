"""The sampling ``importance``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network import SubNetwork


class Importance(Sampling):
    """Keep the channels whose weights have the largest magnitude. The share of kept channels varies.

    From the first to the last candidate, the share of kept channels increases evenly from `least` to 1, with small
    random changes for each layer. The magnitude of each channel is multiplied by a random factor. Without it,
    candidates would differ only in the number of kept channels.
    """

    name: Literal["importance"] = "importance"
    least: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Smallest share of a layer's channels that is kept."""
    blur: Annotated[float, Field(ge=0)] = 0.2
    """Standard deviation of the logarithm of the random factor on each channel's magnitude. If it is 0, the magnitudes
    are not changed."""

    def sample(self, subnetwork: SubNetwork, inputs: Tensor, count: int, rng: np.random.Generator) -> NDArray[Any]:
        import numpy as np

        from emopms.network import magnitude

        importance = magnitude(subnetwork)
        genomes = np.zeros((count, subnetwork.channels.genes), dtype=np.bool_)
        ratios = np.linspace(self.least, 1.0, count)
        for genome, ratio in zip(genomes, ratios, strict=True):
            noisy = importance * np.exp(rng.normal(0.0, self.blur, len(importance)))
            for group in subnetwork.channels.groups:
                share = np.clip(ratio + rng.uniform(-0.1, 0.1) * (ratio < 1), self.least, 1.0)
                kept = max(1, round(float(share) * group.size))
                genome[group.start + np.argsort(-noisy[group.genes], kind="stable")[:kept]] = True
        return genomes
