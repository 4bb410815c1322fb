"""A sub-network as a chain of segments, each of which hands one tensor to the next.

Candidates whose genomes begin alike make the same tensors for a while: up to the segment in which their genomes part.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from emopms.network.graph.trace import shape_of
from emopms.network.inference.fusion import layers_of
from emopms.network.inference.int8 import is_int8
from emopms.network.partition.divide import last_live_use, part_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import fx

    from emopms.network.channels.table import Channels

_WORTH = 512
"""MACs between two cuts for each number handed on: where there are fewer, keeping those numbers takes a good part of
the time that computing them anew does."""
_MOST = 8
"""Segments, about, of a sub-network: more would fill the memory with tensors that hardly differ."""


@dataclass(frozen=True)
class Segment:
    module: fx.GraphModule
    """One tensor in, one tensor out. Its layers are those of the module that it was cut from."""
    genes: NDArray[np.int64]
    """Those that this segment or one before it depends on, ascending."""


def segments_of(module: fx.GraphModule, channels: Channels, room: int) -> list[Segment]:
    """Cut a sub-network where that pays.

    The first cut is where the first gene is about to be read, if anything comes before; all candidates share that.

    Args:
        module: A traced sub-network, whose batch norms may have been fused (see `fuse`); it stays as it is.
        channels: The table of all its genes.
        room: Bytes that may be handed on of one image, in all, behind the first cut.
    """
    nodes = list(module.graph.nodes)[:-1]
    reads = _tensors_read(module, nodes)
    known = _known(reads, channels)
    places = [index for index, alone in enumerate(_alone(nodes)) if alone and index]
    done = list(accumulate(_macs(module, reads, channels)))
    shared = [index for index in places if not known[index] and nodes[index].op == "call_module"][-1:]
    places = [index for index in places if known[index] and known[index] != known[-1]]
    sizes = [math.prod((shape_of(node) or ())[1:]) for node in nodes]
    start = shared[0] if shared else 0
    choices = (_chosen(places, sizes, done, start, apart=done[-1] / most) for most in range(_MOST, 0, -1))
    taken = [size * (1 if is_int8(node, module) else 4) for node, size in zip(nodes, sizes, strict=True)]
    cuts = next(cuts for cuts in choices if sum(taken[cut] for cut in cuts) <= room)  # none at all fit always
    ends = [*shared, *cuts, len(nodes) - 1]
    return [
        Segment(
            part_of(module, nodes[start], nodes[start + 1 : end + 1], nodes[end]),
            np.array(sorted(known[end]), np.int64),
        )
        for start, end in pairwise([0, *ends])
    ]


def before_genes(module: fx.GraphModule, channels: Channels) -> list[fx.Node]:
    """The nodes before the first that depends on a gene: what they make is the same for all candidates."""
    nodes = list(module.graph.nodes)[:-1]
    known = _known(_tensors_read(module, nodes), channels)
    return [node for node, genes in zip(nodes, known, strict=True) if not genes]


def _known(reads: Sequence[Sequence[str]], channels: Channels) -> list[frozenset[int]]:
    """For each node the genes that it or one before it depends on, given the tensors that each reads."""
    return list(accumulate((_genes(names, channels) for names in reads), operator.or_))


def _chosen(places: Sequence[int], sizes: Sequence[int], done: Sequence[int], start: int, *, apart: float) -> list[int]:
    """Those of the places between which there is enough to do.

    Args:
        places: Indices of nodes.
        sizes: For each node, how many numbers it makes of an image.
        done: For each node, the MACs up to it.
        start: Index of the node from which to count.
        apart: MACs that must lie between two places.
    """
    chosen = [start]
    for index in places:
        if done[index] - done[chosen[-1]] >= max(apart, _WORTH * sizes[index]):
            chosen.append(index)
    return chosen[1:]


def _alone(nodes: Sequence[fx.Node]) -> list[bool]:
    """For each node whether it makes one tensor of all images, which is all that later nodes need of what is before."""
    images = (shape_of(nodes[0]) or ())[:1]
    return [
        last_uses <= index and node.op != "get_attr" and (shape_of(node) or ())[:1] == images
        for index, (node, last_uses) in enumerate(zip(nodes, last_live_use(nodes), strict=True))
    ]


def _tensors_read(module: fx.GraphModule, nodes: Sequence[fx.Node]) -> list[list[str]]:
    """For each node the names of the parameters and buffers that it uses."""
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    names: dict[int, list[str]] = {}
    for name, tensor in named:
        names.setdefault(id(tensor), []).append(name)
    reads = []
    for node in nodes:
        if node.op == "call_module":
            layers = layers_of(module.get_submodule(str(node.target)))
            tensors = [tensor for layer in layers for tensor in (*layer.parameters(), *layer.buffers())]
            reads.append([name for tensor in tensors for name in names[id(tensor)]])
        else:
            reads.append([str(node.target)] if node.op == "get_attr" else [])
    return reads


def _genes(names: Sequence[str], channels: Channels) -> frozenset[int]:
    labels = [genes for name in names for genes in channels.dims.get(name, {}).values()]
    return frozenset(int(gene) for own in labels for gene in own if gene >= 0)


def _macs(module: fx.GraphModule, reads: Sequence[Sequence[str]], channels: Channels) -> list[int]:
    """For each node the MACs of one image in the layers that it calls, dense."""
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters(remove_duplicate=False)}
    layers = {layer.weight: layer.uses * sizes[layer.weight] for layer in channels.layers}
    return [sum(layers.get(name, 0) for name in dict.fromkeys(names)) for names in reads]
