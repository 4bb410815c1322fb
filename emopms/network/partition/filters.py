"""The filters of layers, and the gene of each filter. A filter is the weights that compute one output channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network.partition.subnetwork import SubNetwork


@documented
@dataclass(frozen=True)
class Filters:
    """The filters of one convolution or linear layer. A filter is the weights that compute one output channel."""

    layer: str
    """Path of the layer."""
    weight: str
    """Name of the layer's weight parameter."""
    dim: int
    """Dimension of the weight along which the layer's output channels are."""
    rows: Tensor
    """Weights [channels, n] in fp32 without gradients: one row, the filter, for each output channel."""
    genes: NDArray[np.int64]
    """For each output channel of the layer [channels]: its gene, or -1 if the channel is always kept."""


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


def kept_channels(subnetwork: SubNetwork, genomes: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
    """Return how many output channels each convolution and linear layer keeps, by the path of the layer.

    Args:
        subnetwork: The sub-network.
        genomes: Boolean [n, genes]. True keeps the channels of a gene.

    Returns:
        For each layer of ``subnetwork.channels.layers``: an array [n], one number for each genome.
    """
    parameters, found = dict(subnetwork.module.named_parameters(remove_duplicate=False)), {}
    for layer in subnetwork.channels.layers:
        dim = output_dim(subnetwork, layer.name)
        genes = subnetwork.channels.dims.get(layer.weight, {}).get(dim)
        if genes is None:
            genes = np.full(parameters[layer.weight].shape[dim], -1)
        free = genes[genes >= 0]
        found[layer.name] = genomes[:, free].sum(axis=1) + (len(genes) - len(free))
    return found


def output_dim(subnetwork: SubNetwork, layer: str) -> int:
    """Return the dimension of a layer's weight along which its output channels are: 0 or 1. The other is for the
    inputs."""
    return 1 if isinstance(subnetwork.module.get_submodule(layer), nn.modules.conv._ConvTransposeNd) else 0


def mean_by_gene(genes: int, values: Iterable[tuple[NDArray[np.int64], NDArray[np.floating]]]) -> NDArray[np.float64]:
    """Return, for each gene [genes], the mean of all values that belong to the gene.

    A gene without a value gets the mean over the genes that have values.

    Args:
        genes: Number of genes.
        values: Pairs of arrays: the gene [n] of each value, or -1 if it belongs to no gene, and the values [n].
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
