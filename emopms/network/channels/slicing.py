"""Removes the channels that a genome drops from tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network.channels.table import Channels


def slice_tensors(tensors: Mapping[str, Tensor], channels: Channels, genome: NDArray[np.bool_]) -> dict[str, Tensor]:
    """Return the tensors without the channels that the genome drops.

    Gradients flow from the results into the full tensors. A tensor that loses no channel is returned without a copy.

    Args:
        tensors: Parameters and buffers of a sub-network, by name.
        channels: The channel table of the sub-network.
        genome: Boolean [genes]. True keeps the gene's channels.
    """
    stays = np.append(genome, True)  # the last entry is for gene -1, which is always kept
    cuts: dict[bytes, Tensor | None] = {}  # dimensions with the same genes share one index tensor
    sliced = dict(tensors)
    for name, dims in channels.dims.items():
        if name not in sliced:
            continue
        tensor = sliced[name]
        for dim, genes in dims.items():
            key = genes.tobytes()
            if key not in cuts:
                kept = stays[genes]
                cuts[key] = None if kept.all() else torch.from_numpy(np.flatnonzero(kept)).to(tensor.device)
            index = cuts[key]
            if index is not None:
                tensor = tensor.index_select(dim, index)
        sliced[name] = tensor
    return sliced
