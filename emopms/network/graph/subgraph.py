"""Makes a module from consecutive nodes of a traced network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import fx

from emopms.network.graph.nodes import in_place
from emopms.network.graph.trace import with_source
from emopms.network.layers.modes import in_eval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn


def part_of(traced: nn.Module, source: fx.Node, inside: Sequence[fx.Node], result: fx.Node) -> fx.GraphModule:
    """Make a module of the nodes ``inside``. These nodes are a part of a traced network.

    The module never overwrites its input, because the input is cached for other candidates. If a node inside works in
    place on the input, the module copies the input first.

    Args:
        traced: The traced network. The new module shares its layers.
        source: The node whose value is the only input of the module.
        inside: Consecutive nodes, in the order of the graph.
        result: The node of ``inside`` whose value is the only output of the module.
    """
    part = bare_part_of(traced, source, inside, result)
    return bare_part_of(traced, source, inside, result, copy_input=True) if _overwrites_input(part, source) else part


def bare_part_of(
    traced: nn.Module, source: fx.Node, inside: Sequence[fx.Node], result: fx.Node, *, copy_input: bool = False
) -> fx.GraphModule:
    """Make the same module as `part_of` without running it. This module may overwrite its input.

    Args:
        traced, source, inside, result: The same as the arguments of `part_of`.
        copy_input: Whether the module copies its input first.
    """
    graph = fx.Graph()
    entry = graph.placeholder("x")
    entry.meta = dict(source.meta)
    if copy_input:
        entry = graph.call_method("clone", (entry,))
        entry.meta = dict(source.meta)
    copies = {source: entry}
    for node in inside:
        for used in node.all_input_nodes:
            if used not in copies:  # a parameter that was read before this part begins
                copies[used] = graph.node_copy(used)
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[result])
    graph.lint()
    return with_source(fx.GraphModule(traced, graph, class_name="SubNetwork"))


def _overwrites_input(part: fx.GraphModule, source: fx.Node) -> bool:
    """Return whether a part writes into its input, directly or through a view. This function may run the part."""
    entry = next(iter(part.graph.nodes))
    if any(entry in node.all_input_nodes and in_place(node, part) for node in part.graph.nodes):
        return True  # some modules, such as dropout, do this in training mode only: a run in eval mode does not show it
    example = torch.zeros(source.meta["shape"], device=source.meta["device"], dtype=source.meta["dtype"])
    version = example._version
    with in_eval(part), torch.no_grad():
        part(example)
    return example._version != version
