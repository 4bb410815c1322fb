"""The channel table of a sub-network: groups, genes, and the gene of each index of each tensor dimension."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Group:
    """The prunable channels that one layer produces: consecutive genes of the genome."""

    name: str
    """Path of the layer."""
    start: int
    """Index of the first gene."""
    size: int
    """Number of genes."""
    repeats: int = 1
    """Channels of the layer for each gene: one in every group of a grouped convolution, otherwise 1."""

    @property
    def genes(self) -> slice:
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer, as the cost model sees it."""

    name: str
    """Path of the layer."""
    weight: str
    """Name of its weight parameter."""
    uses: int
    """Multiplications by each weight for one input: the number of output positions."""


@dataclass(frozen=True)
class Channels:
    """The channel table of one sub-network.

    ``dims[tensor][dim]`` holds, for each index along a dimension of a tensor, the gene that decides whether the index
    is kept, or -1 if it is always kept. Dimensions that are not listed are never cut.
    """

    groups: tuple[Group, ...]
    dims: Mapping[str, Mapping[int, NDArray[np.int64]]]
    layers: tuple[Layer, ...]
    pinned: Mapping[str, str]
    """Layers whose output channels cannot be pruned, and why."""
    uncounted: tuple[str, ...]
    """Operations in the graph that the cost model does not count as MACs, or not fully."""
    uncounted_macs: Mapping[str, int] = field(default_factory=dict)
    """MACs for one input that the cost model leaves out when nothing is pruned, for those of these operations for which
    they are known."""
    never_cut: Mapping[str, int] = field(default_factory=dict)
    """MACs for one input, by path, of modules that multiply with several weights, none of which is ever cut."""

    @property
    def genes(self) -> int:
        """Length of the genome."""
        return sum(group.size for group in self.groups)

    @cached_property
    def cover_sets(self) -> tuple[NDArray[np.int64], ...]:
        """Sets of genes of which at least one must be kept: those of each group, and those of each tensor dimension
        without a fixed index."""
        sets = [np.arange(group.start, group.start + group.size) for group in self.groups]
        for dims in self.dims.values():
            sets += [np.unique(genes) for genes in dims.values() if (genes >= 0).all()]
        return tuple({genes.tobytes(): genes for genes in sets}.values())


def joined(tables: Sequence[Channels]) -> Channels:
    """Join channel tables of one network that have no gene in common.

    The genome of the result is the concatenation of their genomes.
    """
    groups: list[Group] = []
    dims: dict[str, dict[int, NDArray[np.int64]]] = {}
    left_out: Counter[str] = Counter()
    genes = 0
    for table in tables:
        groups += [replace(group, start=genes + group.start) for group in table.groups]
        for tensor, own in table.dims.items():
            known = dims.setdefault(tensor, {})
            for dim, labels in own.items():
                known[dim] = np.where(labels >= 0, labels + genes, known.get(dim, -1))
        genes += table.genes
        left_out.update(table.uncounted_macs)
    return Channels(
        groups=tuple(groups),
        dims=dims,
        layers=tuple({layer.name: layer for table in tables for layer in table.layers}.values()),
        pinned={name: why for table in tables for name, why in table.pinned.items()},
        uncounted=tuple(sorted({operation for table in tables for operation in table.uncounted})),
        uncounted_macs=left_out,
        never_cut={name: macs for table in tables for name, macs in table.never_cut.items()},
    )


def ensure_nonempty(
    strings: NDArray[np.bool_], sets: Sequence[NDArray[np.int64]], importance: NDArray[np.float64]
) -> None:
    """Set the most important bit of each set, in place, in the bit strings that have no bit of the set.

    Args:
        strings: Boolean [n, bits].
        sets: Indices of bits.
        importance: Of each bit [bits]; higher is better.
    """
    for bits in sets:
        empty = ~strings[:, bits].any(axis=1)
        strings[empty, bits[importance[bits].argmax()]] = True
