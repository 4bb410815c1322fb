"""What a division looks like from outside: each sub-network's blocks, search space, and the least it can become."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emopms.network.graph.nodes import path_prefixes, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from emopms.network.channels.cost import CostModel
    from emopms.network.channels.encoding import Encoding
    from emopms.network.partition.divided_network import DividedNetwork
    from emopms.network.partition.subnetwork import SubNetwork


@dataclass(frozen=True)
class Size:
    """Of a network, or of a part of it."""

    macs: int
    """Multiply-accumulates for one image."""
    params: int
    """Number of parameters."""


@dataclass(frozen=True)
class PartSummary:
    """One search: of a sub-network, or of what crosses the splits."""

    name: str
    """The number of the sub-network from 1, or ``boundaries``."""
    blocks: tuple[str, ...]
    """The outermost modules that lie wholly inside it, or before the splits, in the order of the forward pass."""
    genes: int
    """Channels that can be pruned."""
    groups: int
    """Runs of genes, one a layer that makes channels; each keeps at least one."""
    log10_space: float
    """Decimal logarithm of the number of candidates."""
    dense: Size
    least: Size
    """What remains when every group keeps as little as it can."""
    features: int
    """Numbers that enter and leave it, for one image."""
    pinned: Mapping[str, str]
    """Layers whose output channels cannot be pruned, and why."""
    uncounted: tuple[str, ...]
    """Operations that are not in the MACs."""


def summarise_parts(divided: DividedNetwork, encodings: Sequence[Encoding]) -> tuple[PartSummary, ...]:
    """The outline of each search.

    Args:
        codings: One a search.
    """
    blocks = _blocks([_modules(sub) for sub in divided.parts])
    crossing = tuple(own[-1] for own in blocks[:-1])
    boundaries = divided.boundaries
    opened = _makers(boundaries) if boundaries else set()
    return tuple(
        PartSummary(
            name=sub.name,
            blocks=crossing if sub is divided.boundaries else blocks[sub.index],
            genes=sub.channels.genes,
            groups=len(sub.channels.groups),
            log10_space=encoding.log10_space,
            dense=size_of(sub.costs, sub.dense),
            least=size_of(sub.costs, encoding.least),
            features=_entering(sub) + math.prod(sub.output_shape),
            pinned={name: why for name, why in sub.channels.pinned.items() if name not in opened},
            uncounted=sub.channels.uncounted,
        )
        for sub, encoding in zip(divided.searched, encodings, strict=True)
    )


def _makers(boundaries: SubNetwork) -> set[str]:
    """Paths of the layers that lose channels where boundaries are pruned."""
    return {tensor.rpartition(".")[0] for tensor, dims in boundaries.channels.dims.items() if 0 in dims}


def size_of(costs: CostModel, genome: NDArray[np.bool_]) -> Size:
    """What a genome [genes] leaves."""
    return Size(int(costs.macs(genome[None, :])[0]), int(costs.params(genome[None, :])[0]))


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
            for prefix in path_prefixes(path):
                owners.setdefault(prefix, set()).add(part)
    return [
        tuple(dict.fromkeys(next((p for p in path_prefixes(path) if len(owners[p]) == 1), path) for path in paths))
        for paths in modules
    ]
