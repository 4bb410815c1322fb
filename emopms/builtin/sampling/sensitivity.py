"""The sampling ``sensitivity``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network import SubNetwork


class Sensitivity(Sampling):
    """Keep the channels that affect the output features of the sub-network most, per MAC. The share of kept channels
    varies.

    If the effects of channels could simply be added, these genomes would be the exact front. So the search begins near
    the front. One backward pass over 512 images estimates the effects of all channels (see
    `emopms.network.partition.importance.sensitivity`). The effect per MAC of each channel is multiplied by a random
    factor. Without it, candidates would differ only in the number of kept channels.
    """

    name: Literal["sensitivity"] = "sensitivity"
    least: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Smallest share of the sub-network's channels that is kept."""
    blur: Annotated[float, Field(ge=0)] = 0.2
    """Standard deviation of the logarithm of the random factor on each channel's effect per MAC. If it is 0, the
    effects are not changed."""

    def sample(self, subnetwork: SubNetwork, inputs: Tensor, count: int, rng: np.random.Generator) -> NDArray[Any]:
        import numpy as np

        from emopms.network import sensitivity

        worth = sensitivity(subnetwork, inputs, rng) / np.maximum(subnetwork.costs.macs_by_gene, 1)
        genomes = np.zeros((count, len(worth)), dtype=np.bool_)
        for genome, share in zip(genomes, np.linspace(self.least, 1.0, count), strict=True):
            noisy = worth * np.exp(rng.normal(0.0, self.blur, len(worth)))
            genome[np.argsort(-noisy, kind="stable")[: max(1, round(float(share) * len(worth)))]] = True
        return subnetwork.repair(genomes, worth)
