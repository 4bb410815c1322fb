"""Divides a sub-network into a chain of segments. Each segment passes one tensor to the next segment.

If the genomes of two candidates start with the same genes, the first segments compute the same tensors for both. The
first segment that uses a gene in which the genomes differ, and all later segments, compute other tensors.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from emopms.network.graph.nodes import last_live_use, shape_of
from emopms.network.graph.subgraph import part_of
from emopms.network.inference.fusion import layers_of
from emopms.network.inference.int8 import is_int8
from emopms.network.layers.shared_tensors import names_by_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import fx

    from emopms.network.channels.table import Channels

MIN_MACS_PER_ELEMENT = 512
"""A sub-network is cut into segments. Between two cuts there are at least this number of MACs for each element of the
tensor that is cached at the second cut. With fewer MACs, storing the tensor would take almost as long as computing it
again."""
MAX_SEGMENTS = 8
"""Approximate largest number of segments of a sub-network. With more segments, the cache would fill the memory with
tensors that are nearly equal."""


@dataclass(frozen=True)
class Segment:
    """A part of a sub-network between two cuts."""

    module: fx.GraphModule
    """The module of this segment, with one input tensor and one output tensor. It shares its layers with the module
    that it was cut from."""
    genes: NDArray[np.int64]
    """The genes on which this segment or an earlier segment depends, ascending."""


def segments_of(
    module: fx.GraphModule,
    channels: Channels,
    room: int,
    *,
    min_macs_per_element: int = MIN_MACS_PER_ELEMENT,
    max_segments: int = MAX_SEGMENTS,
) -> list[Segment]:
    """Cut a sub-network into segments wherever caching the tensor that crosses the cut saves time.

    The first cut is before the first node that depends on a gene, if there are nodes before it. These nodes compute the
    same values for all candidates.

    Args:
        module: A traced sub-network. `fuse` may have fused its batch norms. It is not changed.
        channels: The channel table of the sub-network.
        room: Largest number of bytes per image for the tensors at all cuts, without the first cut.
        min_macs_per_element: Least number of MACs between two cuts, per element of the tensor that is cached.
        max_segments: Approximate largest number of segments.
    """
    nodes = list(module.graph.nodes)[:-1]
    reads = _tensors_read(module, nodes)
    genes = _genes_so_far(reads, channels)
    places = [index for index, can_cut in enumerate(_can_cut_after(nodes)) if can_cut and index]
    macs_so_far = list(accumulate(_macs(module, reads, channels)))
    shared = [index for index in places if not genes[index] and nodes[index].op == "call_module"][-1:]
    places = [index for index in places if genes[index] and genes[index] != genes[-1]]
    sizes = [math.prod((shape_of(node) or ())[1:]) for node in nodes]
    start = shared[0] if shared else 0
    min_macs = [min_macs_per_element * size for size in sizes]
    choices = (
        _choose_cuts(places, min_macs, macs_so_far, start, distance=macs_so_far[-1] / count)
        for count in range(max_segments, 0, -1)
    )
    num_bytes = [size * (1 if is_int8(node, module) else 4) for node, size in zip(nodes, sizes, strict=True)]
    cuts = next(cuts for cuts in choices if sum(num_bytes[cut] for cut in cuts) <= room)  # the last choice has no cut
    ends = [*shared, *cuts, len(nodes) - 1]
    return [
        Segment(
            part_of(module, nodes[start], nodes[start + 1 : end + 1], nodes[end]),
            np.array(sorted(genes[end]), np.int64),
        )
        for start, end in pairwise([0, *ends])
    ]


def nodes_before_genes(module: fx.GraphModule, channels: Channels) -> list[fx.Node]:
    """Return the nodes that do not depend on any gene. Their values are the same for all candidates."""
    nodes = list(module.graph.nodes)[:-1]
    known = _genes_so_far(_tensors_read(module, nodes), channels)
    return [node for node, genes in zip(nodes, known, strict=True) if not genes]


def _genes_so_far(reads: Sequence[Sequence[str]], channels: Channels) -> list[frozenset[int]]:
    """Return, for each node, the genes on which this node or an earlier node depends.

    Args:
        reads: For each node, the names of the tensors that it reads.
        channels: The channel table.
    """
    return list(accumulate((_genes(names, channels) for names in reads), operator.or_))


def _choose_cuts(
    places: Sequence[int], min_macs: Sequence[int], macs_so_far: Sequence[int], start: int, *, distance: float
) -> list[int]:
    """Choose cuts with enough MACs between them.

    Args:
        places: Indices of the nodes after which a cut is possible, ascending.
        min_macs: For each node, the least number of MACs between the previous cut and a cut after this node.
        macs_so_far: For each node, the MACs of this node and all earlier nodes.
        start: Index of the node after which the first segment starts.
        distance: The least number of MACs between any two cuts.
    """
    chosen = [start]
    for index in places:
        if macs_so_far[index] - macs_so_far[chosen[-1]] >= max(distance, min_macs[index]):
            chosen.append(index)
    return chosen[1:]


def _can_cut_after(nodes: Sequence[fx.Node]) -> list[bool]:
    """Return, for each node, whether the sub-network can be cut after it.

    A cut is possible if the node's value is one tensor with a row for each image, and if later nodes do not use the
    value of an earlier node.
    """
    images = (shape_of(nodes[0]) or ())[:1]
    return [
        last_use <= index and node.op != "get_attr" and (shape_of(node) or ())[:1] == images
        for index, (node, last_use) in enumerate(zip(nodes, last_live_use(nodes), strict=True))
    ]


def _tensors_read(module: fx.GraphModule, nodes: Sequence[fx.Node]) -> list[list[str]]:
    """Return, for each node, the names of the parameters and buffers that it uses."""
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    names = names_by_tensor(named)
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
    """Return all genes that decide whether an index of one of the tensors with these names is kept."""
    labels = [genes for name in names for genes in channels.dims.get(name, {}).values()]
    return frozenset(int(gene) for own in labels for gene in own if gene >= 0)


def _macs(module: fx.GraphModule, reads: Sequence[Sequence[str]], channels: Channels) -> list[int]:
    """Return, for each node, the MACs for one image in the dense layers that the node calls."""
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters(remove_duplicate=False)}
    layers = {layer.weight: layer.uses * sizes[layer.weight] for layer in channels.layers}
    return [sum(layers.get(name, 0) for name in dict.fromkeys(names)) for names in reads]
