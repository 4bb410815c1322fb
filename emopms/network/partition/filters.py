"""The filters of a network and the genes that they belong to: what scores of channels are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network.partition.subnetwork import SubNetwork


@dataclass(frozen=True)
class Filters:
    """The filters of one convolution or linear layer: what makes its output channels."""

    layer: str
    """Path of the layer."""
    weight: str
    """Name of its weight parameter."""
    dim: int
    """Dimension of the weight that counts output channels."""
    rows: Tensor
    """Weights [channels, n] in fp32 without gradients, one row for each output channel."""
    genes: NDArray[np.int64]
    """[channels]: the gene of each output channel, or -1 if it is always kept."""


def filters_of(subnetwork: SubNetwork) -> list[Filters]:
    """Return the filters of all layers with output channels that can be pruned."""
    parameters, found = dict(subnetwork.module.named_parameters()), []
    for layer in subnetwork.channels.layers:
        dim = output_dim(subnetwork, layer.name)
        genes = subnetwork.channels.dims.get(layer.weight, {}).get(dim)
        if genes is not None and (genes >= 0).any():
            rows = parameters[layer.weight].detach().float().movedim(dim, 0).flatten(1)
            found.append(Filters(layer.name, layer.weight, dim, rows, genes))
    return found


def output_dim(subnetwork: SubNetwork, layer: str) -> int:
    """Return the dimension of a layer's weight that counts its output channels; its inputs are the other of 0 and 1."""
    return 1 if isinstance(subnetwork.module.get_submodule(layer), nn.modules.conv._ConvTransposeNd) else 0


def mean_by_gene(genes: int, values: Iterable[tuple[NDArray[np.int64], NDArray[np.floating]]]) -> NDArray[np.float64]:
    """Return the mean of all values that belong to each gene [genes].

    A gene without any value gets the mean of those with one.

    Args:
        genes: Number of genes.
        values: Pairs of genes [n], -1 for none, and values [n].
    """
    total, count = np.zeros(genes), np.zeros(genes)
    for owner, value in values:
        free = owner >= 0
        np.add.at(total, owner[free], np.asarray(value, dtype=np.float64)[free])
        np.add.at(count, owner[free], 1)
    known = count > 0
    total[known] /= count[known]
    total[~known] = total[known].mean() if known.any() else 0.0
    return total
