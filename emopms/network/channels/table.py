"""The channel table of a sub-network: groups, genes, and what each tensor dimension has to do with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Group:
    """The free channels that one layer makes: a run of genes in the genome."""

    name: str
    """Path of the layer that makes them."""
    start: int
    """Index of its first gene."""
    size: int
    repeats: int = 1
    """Channels of the layer that stand or fall with each gene: its place in every group of a grouped convolution."""

    @property
    def genes(self) -> slice:
        return slice(self.start, self.start + self.size)


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer, as the cost model sees it."""

    name: str
    weight: str
    """Name of its weight parameter."""
    uses: int
    """Multiplications by each weight for one input: the number of output positions."""


@dataclass(frozen=True)
class Channels:
    """The table of one sub-network: what each tensor dimension has to do with each gene.

    ``dims[tensor][dim]`` holds, for each index along that dimension, the gene that decides whether it stays,
    or -1 where it always does. Dimensions not listed are never cut.
    """

    groups: tuple[Group, ...]
    dims: Mapping[str, Mapping[int, NDArray[np.int64]]]
    layers: tuple[Layer, ...]
    pinned: Mapping[str, str]
    """Layers whose output channels cannot be pruned, and why."""
    uncounted: tuple[str, ...]
    """Operations in the graph that the cost model does not count as MACs."""

    @property
    def genes(self) -> int:
        """Length of the genome."""
        return sum(group.size for group in self.groups)

    @cached_property
    def cover_sets(self) -> tuple[NDArray[np.int64], ...]:
        """Sets of genes of which one must stay: those of each group, and of each tensor that has no fixed channel."""
        sets = [np.arange(group.start, group.start + group.size) for group in self.groups]
        for dims in self.dims.values():
            sets += [np.unique(genes) for genes in dims.values() if (genes >= 0).all()]
        return tuple({genes.tobytes(): genes for genes in sets}.values())


def joined(tables: Sequence[Channels]) -> Channels:
    """One table for several of one network, no gene of which is in two; its genome is theirs, one after the other."""
    groups: list[Group] = []
    dims: dict[str, dict[int, NDArray[np.int64]]] = {}
    genes = 0
    for table in tables:
        groups += [replace(group, start=genes + group.start) for group in table.groups]
        for tensor, own in table.dims.items():
            known = dims.setdefault(tensor, {})
            for dim, labels in own.items():
                known[dim] = np.where(labels >= 0, labels + genes, known.get(dim, -1))
        genes += table.genes
    return Channels(
        groups=tuple(groups),
        dims=dims,
        layers=tuple({layer.name: layer for table in tables for layer in table.layers}.values()),
        pinned={name: why for table in tables for name, why in table.pinned.items()},
        uncounted=tuple(sorted({operation for table in tables for operation in table.uncounted})),
    )


def ensure_nonempty(
    strings: NDArray[np.bool_], sets: Sequence[NDArray[np.int64]], importance: NDArray[np.float64]
) -> None:
    """Set, in place, the most important bit of each set in those of the bit strings [n, bits] that have none of it."""
    for bits in sets:
        empty = ~strings[:, bits].any(axis=1)
        strings[empty, bits[importance[bits].argmax()]] = True
