"""Symbolic tracing: a module as a graph whose nodes know their shapes and the modules they came from."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import fx
from torch.fx.passes.shape_prop import ShapeProp

from emopms.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


def trace(network: nn.Module, example: Tensor) -> fx.GraphModule:
    """Trace a network into a graph of its own leaf modules.

    The graph module shares every parameter and submodule with ``network``, under the same names. What the forward
    reads from ``self.training`` is read in eval mode: functional dropout is off in the graph.

    Args:
        network: A classifier of one image tensor. Its forward must not branch on tensor values.
        example: A batch of two or more images [N, C, H, W], on the network's device.

    Raises:
        NetworkError: torch.fx cannot trace the network, or it fails on the example.
    """
    with in_eval(network):  # nothing is dropped out, and no statistics move
        try:
            with torch.no_grad():
                network(example)
        except Exception as error:
            raise NetworkError(
                f"{type(network).__name__} fails on an input of shape {tuple(example.shape)}: {error}",
                remedy="Check that the backbone's parameters fit the images of the data.",
            ) from error
        try:
            graph = fx.symbolic_trace(network)
        except Exception as error:
            raise NetworkError(
                f"{type(network).__name__} cannot be traced by torch.fx: {error}",
                remedy="Its forward must not branch on tensor values; mark such parts with torch.fx.wrap.",
            ) from error
        for node in graph.graph.nodes:
            if node.op == "call_method" and node.target == "view":
                node.target = "reshape"  # a view fails where slicing or channels-last changed the strides
        graph.recompile()
        with torch.no_grad():
            ShapeProp(graph).propagate(example)
    return graph


@contextmanager
def in_eval(network: nn.Module) -> Iterator[None]:
    """Eval mode for a while; every module gets its own mode back."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """The shape the node's value had on the example, or None where it was not one tensor."""
    meta = node.meta.get("tensor_meta")
    shape = getattr(meta, "shape", None)
    return tuple(shape) if shape is not None else None


def module_path(node: fx.Node) -> str:
    """Path of the innermost module whose forward made the node; empty for the network's own forward."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack")
    return str(next(reversed(stack.values()))[0]) if stack else ""
