"""How much a channel seems to matter, from weights alone: a starting point for the search, not a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.network.subnetwork import SubNetwork


def magnitude(subnetwork: SubNetwork) -> NDArray[np.float64]:
    """Group L1 importance of each gene [genes].

    The L1 norms of all convolution and linear weights that a channel owns, as output and as input, each scaled
    by the mean of its tensor so that wide kernels do not drown narrow ones.
    """
    channels = subnetwork.channels
    parameters = dict(subnetwork.module.named_parameters())
    total = np.zeros(channels.genes)
    for layer in channels.layers:
        weight = parameters[layer.weight].detach().abs().float()
        for dim, genes in channels.dims.get(layer.weight, {}).items():
            norms = weight.sum(dim=[d for d in range(weight.dim()) if d != dim]).cpu().numpy().astype(np.float64)
            free = genes >= 0
            np.add.at(total, genes[free], norms[free] / max(norms.mean(), 1e-12))
    return total
