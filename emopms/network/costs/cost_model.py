"""MACs and numbers of parameters. They are predicted for many genomes at once, and counted on a real module.

MACs are the multiply–accumulates of convolutions and linear layers for one input. The linear layers inside
`nn.MultiheadAttention` are included. Normalisation, activation functions, pooling and sums are not counted: their costs
are proportional to the number of values, and small. Results name all other operations that are not counted, such as
products of two activations.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from emopms.documented import documented
from emopms.network.layers.attention_macs import is_attention, product_macs, projection_macs, tokens_of
from emopms.network.layers.attributes import RESIZABLE
from emopms.network.layers.modes import in_eval
from emopms.network.layers.shared_tensors import names_by_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network.channels.table import Channels


class _SumOfProducts:
    """Computes a sum of products ``scale · kept(dim) · kept(dim)`` for many genomes at once.

    ``kept(dim)`` is the number of indices along a tensor dimension that a genome keeps.
    """

    def __init__(self, genes: int) -> None:
        self._genes = genes
        self._scales: list[int] = []
        self._rows: list[NDArray[np.int64]] = []
        self._fixed: list[int] = []

    def add(self, scale: int, dims: list[NDArray[np.int64]]) -> None:
        """Add a product to the sum.

        Args:
            scale: The constant factor.
            dims: For each dimension that can be cut, the gene of each index, or -1 if the index is always kept.
        """
        assert len(dims) <= 2, "weights are cut along outputs and inputs"
        for labels in (*dims, *([np.array([-1])] * (2 - len(dims)))):
            row = np.bincount(labels[labels >= 0], minlength=self._genes).astype(np.int64)
            self._rows.append(row)
            self._fixed.append(int(np.count_nonzero(labels < 0)))
        self._scales.append(scale)

    def evaluate(self, genomes: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the sum for each of the genomes [n, genes], as an array [n]."""
        if not self._scales:
            return np.zeros(len(genomes), dtype=np.int64)
        kept = genomes.astype(np.int64) @ np.stack(self._rows).T + np.array(self._fixed)
        products = kept[:, 0::2] * kept[:, 1::2]
        return products @ np.array(self._scales, dtype=np.int64)  # type: ignore[no-any-return]

    def by_gene(self) -> NDArray[np.int64]:
        """Return, for each gene [genes], the sum of the products that use the gene's indices when nothing is pruned."""
        if not self._scales:
            return np.zeros(self._genes, dtype=np.int64)
        rows = np.stack(self._rows)
        sizes = (rows.sum(axis=1) + np.array(self._fixed))[:, None]
        parts = rows[0::2] * sizes[1::2] + rows[1::2] * sizes[0::2]
        return np.array(self._scales, dtype=np.int64) @ parts  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """The size of one layer before and after pruning."""

    name: str
    """Path of the layer."""
    channels: int
    """Number of output channels of the dense layer."""
    kept_channels: int
    """Number of output channels of the pruned layer."""
    macs: int
    """Multiply-accumulates of the dense layer for one input."""
    kept_macs: int
    """Multiply-accumulates of the pruned layer for one input."""


@dataclass(frozen=True)
class _LayerFactors:
    name: str
    outputs: NDArray[np.int64]
    """The gene of each output channel, or -1 if it is always kept."""
    scale: int
    """MACs for each combination of kept indices."""
    labels: list[NDArray[np.int64]]
    """The genes of the dimensions of the weight that can be cut, or -1 for indices that are always kept."""


def _kept(labels: NDArray[np.int64], genome: NDArray[np.bool_]) -> int:
    """Return how many indices of a dimension a genome [genes] keeps, from the gene of each index."""
    return int(np.append(genome, [True])[labels].sum())


class CostModel:
    """Computes the exact MACs and numbers of parameters of a sub-network pruned by genomes, without running it.

    Args:
        channels: The sub-network's channel table.
        module: The module of the dense sub-network.
    """

    def __init__(self, channels: Channels, module: nn.Module) -> None:
        self._macs, self._params = _SumOfProducts(channels.genes), _SumOfProducts(channels.genes)
        for names in names_by_tensor(module.named_parameters(remove_duplicate=False)).values():
            cut = next((name for name in names if name in channels.dims), names[0])
            self._params.add(*_factors(channels, cut, module.get_parameter(cut).shape))
        self._layers: list[_LayerFactors] = []
        for layer in channels.layers:
            owner, _, attribute = layer.weight.rpartition(".")
            weight = getattr(module.get_submodule(owner), attribute)
            rest, labels = _factors(channels, layer.weight, weight.shape)
            self._macs.add(rest * layer.uses, labels)
            outputs = 1 if isinstance(module.get_submodule(owner), nn.modules.conv._ConvTransposeNd) else 0
            genes = channels.dims.get(layer.weight, {}).get(outputs, np.full(weight.shape[outputs], -1))
            self._layers.append(_LayerFactors(layer.name, genes, rest * layer.uses, labels))
        if channels.never_cut:
            self._macs.add(sum(channels.never_cut.values()), [])

    def macs(self, genomes: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the MACs for one input, for each of the genomes [n, genes], as an array [n]."""
        return self._macs.evaluate(genomes)

    @cached_property
    def macs_by_gene(self) -> NDArray[np.int64]:
        """For each gene, the MACs for one input that use the gene's channels when nothing is pruned [genes]."""
        return self._macs.by_gene()

    def by_layer(self, genome: NDArray[np.bool_]) -> list[LayerCost]:
        """Return output channels and MACs of every layer of the sub-network, dense and pruned by a genome [genes].

        Layers are in the order of the forward pass.
        """
        return [
            LayerCost(
                name=layer.name,
                channels=len(layer.outputs),
                kept_channels=_kept(layer.outputs, genome),
                macs=layer.scale * math.prod(map(len, layer.labels)),
                kept_macs=layer.scale * math.prod(_kept(labels, genome) for labels in layer.labels),
            )
            for layer in self._layers
        ]

    def params(self, genomes: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the number of parameters for each of the genomes [n, genes], as an array [n]."""
        return self._params.evaluate(genomes)


def _factors(channels: Channels, tensor: str, shape: Sequence[int]) -> tuple[int, list[NDArray[np.int64]]]:
    """Return the product of the sizes of the dimensions of a tensor that are never cut, and the genes of the others.

    For each dimension that can be cut, the result holds the gene of each index, or -1 if the index is always kept.
    """
    dims = channels.dims.get(tensor, {})
    rest = math.prod(size for dim, size in enumerate(shape) if dim not in dims)
    return rest, [dims[dim] for dim in sorted(dims)]


@documented
@dataclass(frozen=True)
class Count:
    """MACs and number of parameters of a real module for one input."""

    macs: int
    """Multiply–accumulates of convolutions and linear layers."""
    params: int
    """Number of parameters."""
    uncounted: tuple[str, ...]
    """Classes of modules with parameters that ran, but whose MACs are not or not fully included in ``macs``.
    Normalisation and PReLU are left out, because they never count."""
    uncounted_macs: Mapping[str, int] = field(default_factory=dict)
    """Multiply–accumulates that are not included in ``macs``, by class in ``uncounted``. Classes whose MACs are not
    known are left out."""


def count(network: nn.Module, example: Tensor) -> Count:
    """Count MACs and parameters of a real module by running it once with hooks on its layers.

    This function shares no code with `CostModel`, so that tests can compare the results of both.

    Args:
        network: The module.
        example: A batch of inputs [N, …]. Only the first input is used, because layers that run on constants, such as
            position biases, run once for any number of inputs.
    """
    macs = 0
    uncounted: set[str] = set()
    products: Counter[str] = Counter()

    def record(module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any], output: Tensor) -> None:
        nonlocal macs
        if isinstance(module, nn.modules.conv._ConvTransposeNd):
            macs += next(iter([*inputs, *named.values()])).numel() * math.prod(module.weight.shape[1:])
        elif isinstance(module, nn.modules.conv._ConvNd):
            macs += output.numel() * math.prod(module.weight.shape[1:])
        elif isinstance(module, nn.Linear):
            macs += output.numel() * module.weight.shape[1]
        elif is_attention(module):
            shapes = [tokens.shape for tokens in tokens_of(inputs, named)]
            macs += projection_macs(module, *shapes)
            products[type(module).__name__] += product_macs(module, *shapes[:2])
        elif not isinstance(module, RESIZABLE) and any(True for _ in module.parameters(recurse=False)):
            uncounted.add(type(module).__name__)

    hooks = [module.register_forward_hook(record, with_kwargs=True) for module in network.modules()]
    try:
        with in_eval(network), torch.no_grad():
            network(example[:1])
    finally:
        for hook in hooks:
            hook.remove()
    params = sum(parameter.numel() for parameter in network.parameters())
    return Count(macs, params, tuple(sorted(uncounted | products.keys())), products)
