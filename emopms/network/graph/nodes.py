"""Properties of the nodes of a traced network: shapes, module paths, in-place operations, and last uses of values."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import fx, nn

SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")
"""Node targets that add two tensors, in place or not."""
_IN_PLACE_OPERATORS = (operator.iadd, operator.isub, operator.imul, operator.itruediv)


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """Return the shape that the node's value had for the traced example, or None if the value is not one tensor."""
    shape: tuple[int, ...] | None = node.meta.get("shape")
    return shape


def module_path(node: fx.Node) -> str:
    """Return the path of the innermost module whose forward made the node.

    The path is empty if the network's own forward made the node.
    """
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack")
    return str(next(reversed(stack.values()))[0]) if stack else ""


def path_prefixes(path: str) -> list[str]:
    """Return a module path and the paths of the modules that contain the module, outermost first.

    ``layer1.0.conv`` gives ``layer1``, ``layer1.0`` and ``layer1.0.conv``. The empty path gives an empty list.
    """
    names = path.split(".") if path else []
    return [".".join(names[:depth]) for depth in range(1, len(names) + 1)]


def called_module(node: fx.Node, network: nn.Module) -> nn.Module | None:
    """Return the module that the node calls, or None if the node calls no module."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def in_place(node: fx.Node, network: nn.Module) -> bool:
    """Return whether a node may overwrite its input."""
    if node.op == "call_module":
        return bool(getattr(network.get_submodule(str(node.target)), "inplace", False))
    if node.target in _IN_PLACE_OPERATORS or str(getattr(node.target, "__name__", node.target)).endswith("_"):
        return True
    return True in (node.kwargs.get("inplace"), *(argument is True for argument in node.args))


def last_live_use(nodes: Sequence[fx.Node]) -> list[int]:
    """Return, for each node, the index of the last node that uses a value computed before this node.

    If this index is at most the node's own index, later nodes use no other value than the node's own. The network can
    then be cut after the node. Reads of parameters are ignored, because each part of a divided network reads its
    parameters itself.
    """
    position = {node: index for index, node in enumerate(nodes)}
    last_uses, needed = [], -1
    for node in nodes:
        last_uses.append(needed)
        if node.op != "get_attr":
            needed = max([needed, *(position.get(user, len(nodes)) for user in node.users)])
    return last_uses
