"""The summary of a divided network: the blocks, the search space and the smallest size of each sub-network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emopms.network.channels.labels import ENTERS, LEAVES, PRUNE_BOUNDARIES
from emopms.network.graph.nodes import path_prefixes, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from emopms.network.channels.encoding import Encoding
    from emopms.network.costs.cost_model import CostModel
    from emopms.network.partition.divided_network import DividedNetwork
    from emopms.network.partition.subnetwork import SubNetwork


@dataclass(frozen=True)
class Size:
    """The size of a network, or of a part of it."""

    macs: int
    """Multiply-accumulates of the network, or of the part, for one image."""
    params: int
    """Number of parameters of the network, or of the part."""


@dataclass(frozen=True)
class PartSummary:
    """The summary of one search: of a sub-network, or of the channels that cross the split points."""

    name: str
    """The number of the sub-network, from 1, or ``boundaries`` for the channels that cross the split points."""
    blocks: tuple[str, ...]
    """Paths of the outermost modules that are completely inside the sub-network, in the order of the forward pass. For
    the boundaries (the channels that cross split points): the last of these modules before each split point."""
    genes: int
    """Number of channels that this search can prune."""
    groups: int
    """Number of channel groups. Every candidate keeps at least one channel of each group."""
    log10_space: float
    """Decimal logarithm of the number of candidates that are possible in this search."""
    dense: Size
    """Size of the sub-network without pruning."""
    least: Size
    """Size of the sub-network if every channel group keeps as few channels as it can."""
    features: int
    """Number of values in the input features and the output features of the sub-network, for one image."""
    pinned: Mapping[str, str]
    """Layers whose output channels are never pruned: module path of each layer, and the reason."""
    uncounted: Mapping[str, int | None]
    """Operations of the sub-network that its MACs leave out, by name, with their own MACs for one image; None if these
    are not known."""


def summarise_parts(divided: DividedNetwork, encodings: Sequence[Encoding]) -> tuple[PartSummary, ...]:
    """Return the summary of each search.

    Args:
        divided: The divided network.
        encodings: The encoding of each search, in the order of ``divided.searched``.
    """
    blocks = _blocks([_modules(sub) for sub in divided.parts])
    crossing = tuple(own[-1] for own in blocks[:-1])
    boundaries = divided.boundaries
    opened = _pruned_layers(boundaries) if boundaries else set()
    # The boundaries have the last reason for layers that neither search can prune.
    settled = opened | boundaries.channels.pinned.keys() if boundaries else opened
    return tuple(
        PartSummary(
            name=sub.name,
            blocks=crossing if sub is divided.boundaries else blocks[sub.index],
            genes=sub.channels.genes,
            groups=len(sub.channels.groups),
            log10_space=encoding.log10_space,
            dense=size_of(sub.costs, sub.dense),
            least=size_of(sub.costs, encoding.least),
            features=_input_size(sub) + math.prod(sub.output_shape),
            pinned={
                name: _with_remedy(why, sub, divided)
                for name, why in sub.channels.pinned.items()
                if name not in (opened if sub is boundaries else settled)
            },
            uncounted={name: sub.channels.uncounted_macs.get(name) for name in sub.channels.uncounted},
        )
        for sub, encoding in zip(divided.searched, encodings, strict=True)
    )


def _with_remedy(why: str, sub: SubNetwork, divided: DividedNetwork) -> str:
    """Return the reason why a layer is not prunable. If its channels cross a split point, the reason names the setting
    that makes them a search of their own."""
    if why == LEAVES and sub is divided.parts[-1]:
        return "it is the output of the network"
    if why not in (ENTERS, LEAVES) or divided.boundaries is not None:
        return why
    return f"{why}, which {PRUNE_BOUNDARIES} opens"


def _pruned_layers(boundaries: SubNetwork) -> set[str]:
    """Return the paths of the layers whose output channels the search of the boundaries (the channels that cross split
    points) can prune."""
    return {tensor.rpartition(".")[0] for tensor, dims in boundaries.channels.dims.items() if 0 in dims}


def size_of(costs: CostModel, genome: NDArray[np.bool_]) -> Size:
    """Return the size of a network that is pruned by a genome [genes]."""
    return Size(int(costs.macs(genome[None, :])[0]), int(costs.params(genome[None, :])[0]))


def _input_size(sub: SubNetwork) -> int:
    """Return the number of values in the input features of a sub-network for one image."""
    first = next(iter(sub.module.graph.nodes))
    return math.prod((shape_of(first) or ())[1:])


def _modules(sub: SubNetwork) -> list[str]:
    """Return the paths of the modules that a sub-network calls, in the order of the forward pass."""
    return [str(node.target) for node in sub.module.graph.nodes if node.op == "call_module"]


def _blocks(modules: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return, for each sub-network, the paths of the outermost modules that are completely inside it.

    A path is inside a sub-network if the sub-network calls all called modules below this path. Of these paths, only the
    shortest are returned.

    Args:
        modules: For each sub-network, the paths of the modules that it calls.
    """
    owners: dict[str, set[int]] = {}
    for part, paths in enumerate(modules):
        for path in paths:
            for prefix in path_prefixes(path):
                owners.setdefault(prefix, set()).add(part)
    return [
        tuple(dict.fromkeys(next((p for p in path_prefixes(path) if len(owners[p]) == 1), path) for path in paths))
        for paths in modules
    ]
