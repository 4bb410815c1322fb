"""What a division looks like from outside: each sub-network's blocks, search space, and the least it can become."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.network.trace import shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from emopms.network.subnetwork import SubNetwork


@dataclass(frozen=True)
class Size:
    """Of a network, or of a part of it."""

    macs: int
    """Multiply-accumulates for one image."""
    params: int
    """Number of parameters."""

    def __add__(self, other: Size) -> Size:
        return Size(self.macs + other.macs, self.params + other.params)


@dataclass(frozen=True)
class Outline:
    """One sub-network."""

    blocks: tuple[str, ...]
    """The outermost modules that lie wholly inside it, in the order of the forward pass."""
    genes: int
    """Channels that can be pruned."""
    groups: int
    """Runs of genes, one a layer that makes channels; each keeps at least one."""
    log10_space: float
    """Decimal logarithm of the number of candidates."""
    dense: Size
    least: Size
    """What remains when every group keeps one channel."""
    features: int
    """Numbers that enter and leave it, for one image."""
    pinned: Mapping[str, str]
    """Layers whose output channels cannot be pruned, and why."""
    uncounted: tuple[str, ...]
    """Operations that are not in the MACs."""


def outlines_of(subnetworks: Sequence[SubNetwork]) -> tuple[Outline, ...]:
    """The outline of each sub-network of one division."""
    blocks = _blocks([_modules(sub) for sub in subnetworks])
    return tuple(
        Outline(
            blocks=blocks[sub.index],
            genes=sub.channels.genes,
            groups=len(sub.channels.groups),
            log10_space=sum(math.log10(2**group.size - 1) for group in sub.channels.groups),
            dense=_size(sub, sub.dense),
            least=_size(sub, _least(sub)),
            features=_entering(sub) + math.prod(sub.output_shape),
            pinned=dict(sub.channels.pinned),
            uncounted=sub.channels.uncounted,
        )
        for sub in subnetworks
    )


def total(sizes: Sequence[Size]) -> Size:
    """The size of parts that make one network."""
    return sum(sizes, start=Size(0, 0))


def _least(sub: SubNetwork) -> NDArray[np.bool_]:
    nothing = np.zeros((1, sub.channels.genes), dtype=np.bool_)
    smallest: NDArray[np.bool_] = sub.repair(nothing, np.zeros(sub.channels.genes))[0]
    return smallest


def _size(sub: SubNetwork, genome: NDArray[np.bool_]) -> Size:
    return Size(int(sub.costs.macs(genome[None, :])[0]), int(sub.costs.params(genome[None, :])[0]))


def _entering(sub: SubNetwork) -> int:
    first = next(iter(sub.module.graph.nodes))
    return math.prod((shape_of(first) or ())[1:])


def _modules(sub: SubNetwork) -> list[str]:
    """Paths of the modules it calls, in the order of the forward pass."""
    return [str(node.target) for node in sub.module.graph.nodes if node.op == "call_module"]


def _blocks(modules: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """For each part the shortest module paths under which everything belongs to that part."""
    owners: dict[str, set[int]] = {}
    for part, paths in enumerate(modules):
        for path in paths:
            for prefix in _prefixes(path):
                owners.setdefault(prefix, set()).add(part)
    return [
        tuple(dict.fromkeys(next((p for p in _prefixes(path) if len(owners[p]) == 1), path) for path in paths))
        for paths in modules
    ]


def _prefixes(path: str) -> list[str]:
    """Of ``layer1.0.conv``: ``layer1``, ``layer1.0``, and the path itself."""
    names = path.split(".")
    return [".".join(names[:depth]) for depth in range(1, len(names) + 1)]
