"""The channel table of a sub-network: groups, genes, and what each tensor dimension has to do with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Group:
    """The free channels that one layer makes: a run of genes in the genome."""

    name: str
    """Path of the layer that makes them."""
    start: int
    """Index of its first gene."""
    size: int

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
    def indispensable(self) -> tuple[NDArray[np.int64], ...]:
        """Sets of genes of which one must stay: those of each group, and of each tensor that has no fixed channel."""
        sets = [np.arange(group.start, group.start + group.size) for group in self.groups]
        for dims in self.dims.values():
            sets += [np.unique(genes) for genes in dims.values() if (genes >= 0).all()]
        return tuple({genes.tobytes(): genes for genes in sets}.values())
