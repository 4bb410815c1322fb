"""The channel table of a sub-network: its genes, and the gene of each index along each tensor dimension."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@documented
@dataclass(frozen=True)
class Group:
    """The prunable channels that one layer produces. Their genes are next to each other in the genome."""

    name: str
    """Path of the layer."""
    start: int
    """Index of the first gene."""
    size: int
    """Number of genes."""
    repeats: int = 1
    """Number of the layer's channels per gene. In a grouped convolution, a gene stands for one channel of each group.
    The number is then the number of groups. In most other layers it is 1."""

    @property
    def genes(self) -> slice:
        return slice(self.start, self.start + self.size)


@documented
@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer, with the facts that the cost model needs."""

    name: str
    """Path of the layer."""
    weight: str
    """Name of the layer's weight parameter."""
    uses: int
    """Number of multiplications with each element of the weight for one input: the number of output positions."""


@dataclass(frozen=True, eq=False)
class Cover:
    """Bits of a bit string that stand for channels, of which a valid bit string keeps a least number."""

    bits: NDArray[np.int64]
    """Positions of the bits [b]. In a genome, they are genes."""
    channels: NDArray[np.int64]
    """Number of channels that each of the bits stands for [b], at least 1."""
    least: int
    """Least number of these channels that is kept."""

    def met_by(self, strings: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each of the bit strings [n, bits] whether it keeps enough of these channels, boolean [n]."""
        kept = strings[:, self.bits]
        if self.least == 1:
            some: NDArray[np.bool_] = np.logical_or.reduce(kept, axis=1)  # much faster than a product
            return some
        return kept.astype(np.float64) @ self.channels >= self.least


@documented
@dataclass(frozen=True)
class Channels:
    """The channel table of one sub-network."""

    groups: tuple[Group, ...]
    """The prunable channels by layer, in the order of their genes."""
    dims: Mapping[str, Mapping[int, NDArray[np.int64]]]
    """``dims[tensor][dim]`` holds, for each index along a dimension of a tensor, the gene that decides whether the
    index is kept, or -1 if it is always kept. Dimensions that are not listed are never cut."""
    layers: tuple[Layer, ...]
    """All convolutions and linear layers, also those that are never pruned."""
    pinned: Mapping[str, str]
    """Paths of layers whose output channels are never pruned, each with the reason."""
    uncounted: tuple[str, ...]
    """Names of operations in the graph whose MACs the cost model does not count, or does not count fully."""
    uncounted_macs: Mapping[str, int] = field(default_factory=dict)
    """MACs that the cost model does not count, for one input of the unpruned sub-network. They are listed by the
    operation names in ``uncounted``. Operations whose MACs are not known are left out."""
    never_cut: Mapping[str, int] = field(default_factory=dict)
    """MACs for one input, by module path, of modules that multiply with several weights, none of which is ever
    pruned."""
    limited: tuple[Cover, ...] = ()
    """What limits (see `emopms.network.channels.limits.Limits`) demand of single layers. Sets with fewer genes come
    first, so that adding the most important genes to one set after another adds few genes."""
    prunable: tuple[str, ...] = ()
    """Paths of the layers whose output channels could be pruned without limits."""

    @property
    def genes(self) -> int:
        """Length of the genome."""
        return sum(group.size for group in self.groups)

    @cached_property
    def covers(self) -> tuple[Cover, ...]:
        """Sets of genes of which every valid genome keeps enough.

        A genome keeps at least one gene of each group, and of each tensor dimension in which every index has a gene. It
        also keeps what ``limited`` demands.
        """
        sets = [np.arange(group.start, group.start + group.size) for group in self.groups]
        for dims in self.dims.values():
            sets += [np.unique(genes) for genes in dims.values() if (genes >= 0).all()]
        distinct = {genes.tobytes(): genes for genes in sets}.values()
        return *(Cover(genes, np.ones_like(genes), 1) for genes in distinct), *self.limited


def joined(tables: Sequence[Channels]) -> Channels:
    """Join several channel tables of one network. No two tables may have a gene for the same channel.

    The genome of the result is the concatenation of the genomes of the tables.
    """
    groups: list[Group] = []
    dims: dict[str, dict[int, NDArray[np.int64]]] = {}
    left_out: Counter[str] = Counter()
    limited: list[Cover] = []
    genes = 0
    for table in tables:
        groups += [replace(group, start=genes + group.start) for group in table.groups]
        for tensor, own in table.dims.items():
            known = dims.setdefault(tensor, {})
            for dim, labels in own.items():
                known[dim] = np.where(labels >= 0, labels + genes, known.get(dim, -1))
        limited += [replace(cover, bits=genes + cover.bits) for cover in table.limited]
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
        limited=tuple(limited),
        prunable=tuple(dict.fromkeys(name for table in tables for name in table.prunable)),
    )


def ensure_covered(strings: NDArray[np.bool_], covers: Sequence[Cover], importance: NDArray[np.float64]) -> None:
    """Change bit strings in place, so that each keeps enough channels of every cover.

    If a bit string keeps too few channels of a cover, the most important of its False bits in this cover are set to
    True, as few as are enough.

    Args:
        strings: Boolean [n, bits].
        covers: The covers, which are met one after another.
        importance: Importance of each bit [bits]. Higher is more important.
    """
    for cover in covers:
        short = np.flatnonzero(~cover.met_by(strings))
        if len(short):
            order = np.argsort(-importance[cover.bits], kind="stable")
            where = np.ix_(short, cover.bits[order])
            kept, channels = strings[where], cover.channels[order]
            missing = cover.least - kept @ channels
            added = np.where(kept, 0, channels).cumsum(axis=1)
            strings[where] = kept | (added - channels < missing[:, None])
