"""Symbolic tracing: a module as a graph whose nodes know their shapes and the modules they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import fx
from torch.fx.passes.shape_prop import ShapeProp

from emopms.errors import NetworkError

if TYPE_CHECKING:
    from torch import Tensor, nn


def trace(network: nn.Module, example: Tensor) -> fx.GraphModule:
    """Trace a network into a graph of its own leaf modules.

    The graph module shares every parameter and submodule with ``network``, under the same names.

    Args:
        network: A classifier of one image tensor. Its forward must not branch on tensor values.
        example: A batch of two or more images [N, C, H, W], on the network's device.

    Raises:
        NetworkError: torch.fx cannot trace the network, or it fails on the example.
    """
    try:
        graph = fx.symbolic_trace(network)
    except Exception as error:
        raise NetworkError(
            f"{type(network).__name__} cannot be traced by torch.fx: {error}",
            remedy="Its forward must not branch on tensor values; mark such parts with torch.fx.wrap.",
        ) from error
    was_training = graph.training
    graph.eval()  # the example must not move running statistics
    try:
        with torch.no_grad():
            ShapeProp(graph).propagate(example)
    except Exception as error:
        raise NetworkError(
            f"{type(network).__name__} fails on an input of shape {tuple(example.shape)}: {error}",
            remedy="Check that the backbone's parameters fit the images of the data.",
        ) from error
    finally:
        graph.train(was_training)
    return graph


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
