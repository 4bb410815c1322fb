"""Chooses split points. A network can be cut after a module whose output is the only tensor that crosses the cut.

The parts share no parameter. `emopms.network.partition.divide` then cuts the network.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from torch import nn

from emopms.errors import NetworkError
from emopms.network.channels.labels import channels_of
from emopms.network.channels.limits import KEEP_LESS, NO_LIMITS
from emopms.network.graph.nodes import SUMS, last_live_use, module_path, path_prefixes, shape_of
from emopms.network.graph.subgraph import bare_part_of
from emopms.network.graph.trace import trace
from emopms.network.partition.subnetwork import CHOOSE_ANOTHER, OPEN_STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, fx

    from emopms.network.channels.limits import Limits


def even_points(
    network: nn.Module,
    example: Tensor,
    parts: int,
    *,
    fewer: bool = False,
    prune_residual: bool = False,
    limits: Limits = NO_LIMITS,
) -> list[str]:
    """Return split points that divide the MACs as evenly as possible.

    Args:
        network: The network.
        example: A batch of images [N, C, H, W] that fits the network.
        parts: Number of sub-networks.
        fewer: Whether the network is cut into as many parts as possible if ``parts`` are too many. It may stay whole.
        prune_residual: Whether channels that residual connections inside a part add count as prunable.
        limits: What layers keep. Layers that keep all of their channels do not count as prunable.

    Raises:
        NetworkError: The network cannot be traced, has nothing to prune, or cannot be cut into ``parts`` parts with a
            prunable channel in each.
    """
    traced = _Traced(network, example, prune_residual=prune_residual, limits=limits)
    cuts, macs = _one_for_each_cost(traced)
    reach: list[int] = []  # for each cut, the index of the first later cut with a prunable channel in between
    for i in range(len(cuts)):
        reach.append(traced.reach(cuts, i, max([i + 1, *reach[-1:]])))
    chosen = _balanced(macs, reach, parts)
    if chosen is None:
        most, i = 0, 0
        while reach[i] < len(cuts):
            most, i = most + 1, reach[i]
        if not most:
            raise traced.nothing_to_prune(network)
        if fewer:
            return [cuts[i].point for i in _balanced(macs, reach, most) or ()]
        raise NetworkError(
            f"{type(network).__name__} cannot be cut into {parts} parts with something to prune in each, "
            f"but into {most} at most.",
            remedy="Lower `parts`." + (f" Or: {KEEP_LESS}" if limits != NO_LIMITS else ""),
        )
    return [cuts[i].point for i in chosen]


def block_points(
    network: nn.Module, example: Tensor, *, prune_residual: bool = False, limits: Limits = NO_LIMITS
) -> list[str]:
    """Return split points after the residual blocks. A residual block is a module whose own forward adds two tensors.

    A block without a prunable channel is joined with the next block. The layers after the last block belong to the last
    part.

    Args:
        network: The network.
        example: A batch of images [N, C, H, W] that fits the network.
        prune_residual: Whether channels that residual connections inside a part add count as prunable.
        limits: What layers keep. Layers that keep all of their channels do not count as prunable.

    Raises:
        NetworkError: The network cannot be traced, or has no two residual blocks between which it can be cut.
    """
    traced = _Traced(network, example, prune_residual=prune_residual, limits=limits)
    cuts = [traced.start, *(cut for cut in traced.cuts if cut.ends_block), traced.stop]
    kept, last = [0], len(cuts) - 1
    while (following := traced.reach(cuts, kept[-1], kept[-1] + 1)) < last:
        kept.append(following)
    if following > last and len(kept) > 1:  # there is no prunable channel after the last cut
        kept.pop()
    if len(kept) == 1:
        advice = traced.advice if following > last else KEEP_LESS if limits != NO_LIMITS else ""
        raise NetworkError(
            f"{type(network).__name__} has no two residual blocks to cut between.",
            remedy="Name the split points, or use the split `even`." + (f" Or: {advice}" if advice else ""),
        )
    return [cuts[i].point for i in kept[1:]]


def cut_points(network: nn.Module, example: Tensor) -> list[str]:
    """Return all split points: the network is divided into as many parts as possible.

    Args:
        network: The network.
        example: A batch of images [N, C, H, W] that fits the network.

    Raises:
        NetworkError: The network cannot be traced.
    """
    return [cut.point for cut in _Traced(network, example, prune_residual=False, limits=NO_LIMITS).cuts]


@dataclass(frozen=True)
class _Cut:
    end: int
    """Index of the node before the cut."""
    point: str
    """Path of the outermost module that ends at the cut."""
    ends_block: bool = False
    """Whether a residual block ends at the cut."""


class _Traced:
    """A traced network, its cuts, and the parts between them."""

    def __init__(self, network: nn.Module, example: Tensor, *, prune_residual: bool, limits: Limits) -> None:
        self._module = trace(network, example)
        self._nodes = list(self._module.graph.nodes)
        self.cuts = _cuts(self._nodes, _last_needed(self._nodes, self._module))
        self.start = _Cut(0, "")
        self.stop = _Cut(len(self._nodes) - 2, "")  # the last node only returns the value of the node before it
        self._prune_residual = prune_residual
        self._limits = limits

    def reach(self, cuts: Sequence[_Cut], i: int, first: int) -> int:
        """Find the first of ``cuts[first:]`` for which the part from ``cuts[i]`` to this cut has a prunable channel.

        The result is the index of this cut in ``cuts``. If there is no such cut, the result is the number of cuts. A
        channel that can be pruned in a part can be pruned in every longer part. Therefore the search doubles its steps
        and then bisects. In this way it examines few parts.
        """
        step = 1
        while first < len(cuts):
            probe = min(first + step, len(cuts)) - 1
            if self._has_genes(cuts[i], cuts[probe]):
                return first + bisect_left(cuts[first:probe], True, key=lambda cut: self._has_genes(cuts[i], cut))
            first, step = probe + 1, 2 * step
        return len(cuts)

    def _has_genes(self, after: _Cut, up_to: _Cut) -> bool:
        inside = self._nodes[after.end + 1 : up_to.end + 1]
        part = bare_part_of(self._module, self._nodes[after.end], inside, inside[-1])
        channels = channels_of(part, prune_residual=self._prune_residual, limits=self._limits, explain=False)
        return channels.genes > 0

    def nothing_to_prune(self, network: nn.Module) -> NetworkError:
        """Return the error for a network without a prunable channel."""
        message = f"{type(network).__name__} has no channel that could be pruned"
        message += f"{'' if self._prune_residual else ' with its residual streams closed'}, however it is cut."
        return NetworkError(message, remedy=self.advice or CHOOSE_ANOTHER)

    @property
    def advice(self) -> str:
        """The advice for a network in which nothing can be pruned: which setting of the spec would change this.

        It is empty if no setting would.
        """
        if channels_of(self._module, prune_residual=self._prune_residual, explain=False).genes:
            return KEEP_LESS
        opens = not self._prune_residual and channels_of(self._module, prune_residual=True, explain=False).genes
        return OPEN_STREAMS if opens else ""

    def macs_up_to(self, cut: _Cut) -> int:
        """Return the MACs of the layers before a cut."""
        return sum(macs for end, macs in self._macs if end <= cut.end)

    @cached_property
    def _macs(self) -> list[tuple[int, int]]:
        """For each layer, the index of the last node that runs the layer or a module that contains it, and its MACs."""
        channels = channels_of(self._module, explain=False)
        ends = {str(node.target): i for i, node in enumerate(self._nodes) if node.op == "call_module"}
        weights = {layer: operator.attrgetter(layer.weight)(self._module) for layer in channels.layers}
        macs = [(layer.name, weight.numel() * layer.uses) for layer, weight in weights.items()]
        return [
            (next(ends[path] for path in path_prefixes(name) if path in ends), own)
            for name, own in (*macs, *channels.never_cut.items())
        ]


def _last_needed(nodes: Sequence[fx.Node], network: nn.Module) -> list[int]:
    """Return, for each node, the index of the last node that uses one of this node's parameters.

    For a node without parameters, this is the node's own index.
    """
    used = [[id(parameter) for parameter in _parameters(node, network)] for node in nodes]
    last = {parameter: i for i, parameters in enumerate(used) for parameter in parameters}
    return [max((last[parameter] for parameter in parameters), default=i) for i, parameters in enumerate(used)]


def _parameters(node: fx.Node, network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the module that a node calls, and the parameters among the node's inputs."""
    of_module = network.get_submodule(str(node.target)).parameters() if node.op == "call_module" else ()
    read = [operator.attrgetter(str(used.target))(network) for used in node.all_input_nodes if used.op == "get_attr"]
    return [*of_module, *(value for value in read if isinstance(value, nn.Parameter))]


def _cuts(nodes: Sequence[fx.Node], last_needed: Sequence[int]) -> list[_Cut]:
    last_uses = last_live_use(nodes)
    ends = {prefix: i for i, node in enumerate(nodes) for prefix in path_prefixes(module_path(node))}
    blocks = {module_path(node) for node in nodes if _is_residual_sum(node)}
    found, needed = [], 0  # `needed`: the last index that uses a parameter seen so far
    for i, node in enumerate(nodes[:-2]):
        needed = max(needed, last_needed[i])
        ending = [path for path in path_prefixes(module_path(node)) if ends[path] == i]
        if max(needed, last_uses[i]) <= i and ending and shape_of(node) is not None:
            found.append(_Cut(i, ending[0], ends_block=not blocks.isdisjoint(ending)))
    return found


def _is_residual_sum(node: fx.Node) -> bool:
    computed = [used for used in node.all_input_nodes if used.op != "get_attr" and shape_of(used) is not None]
    return node.target in SUMS and len(computed) == 2


def _one_for_each_cost(traced: _Traced) -> tuple[list[_Cut], list[int]]:
    """Return cuts with different MACs before them, and these MACs. The start and the end of the network are included.

    Several cuts may have no MACs between them, for example before and after an activation. Of such cuts, only the cut
    after the outermost module is returned, and the last one if several modules are equally far outside.
    """
    best = {0: traced.start}
    for cut in traced.cuts:
        before = traced.macs_up_to(cut)
        known = best.setdefault(before, cut)
        if before and cut.point.count(".") <= known.point.count("."):
            best[before] = cut
    best[traced.macs_up_to(traced.stop)] = traced.stop
    return list(best.values()), list(best)


def _balanced(macs: Sequence[int], reach: Sequence[int], parts: int) -> tuple[int, ...] | None:
    """Return the indices of the cuts for which the MACs of the parts have the least sum of squares.

    These cuts also have the least variance. The result is None if no division into ``parts`` parts is possible.
    """
    best: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
    for _ in range(parts):
        longer: dict[int, tuple[int, tuple[int, ...]]] = {}
        for i, (squares, chosen) in best.items():
            for j in range(reach[i], len(macs)):
                candidate = squares + (macs[j] - macs[i]) ** 2, (*chosen, j)
                longer[j] = min(longer.get(j, candidate), candidate)
        best = longer
    end = best.get(len(macs) - 1)
    return end[1][:-1] if end else None
