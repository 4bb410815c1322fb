"""Handlers of sizes that the forward reads from tensors: functions that return a size or a property of a tensor.

A size that may shrink is returned as a `Size`. If the forward uses a size in a way that no handler supports, the
indices that it counts are never pruned.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch

from emopms.network.channels.labels.operation import Operation, Size, TiedSize, Value, handles


@handles(getattr)
def attribute(op: Operation, x: Any, name: str) -> Any:
    """Return the shape of a tensor, or another attribute that does not depend on its labels."""
    if isinstance(x, Value) and name == "shape":
        return size(op, x)
    op.require(isinstance(x, Value) and op.node.meta["static"])  # such as the tensor's dtype, device or rank
    return op.node.meta["value"]


@handles("size")
def size(op: Operation, x: Value, dim: Any = None) -> Any:
    """Return the size of one dimension, or the sizes of all dimensions."""
    if dim is not None:
        return op.size(x.dims[op.axis(dim, len(x.dims))])
    return tuple(map(op.size, x.dims))


@handles("dim", "ndimension", "is_floating_point", "is_contiguous")
def setting(op: Operation, x: Value, **_: Any) -> Any:
    """Return a property of a tensor that pruning never changes, such as its number of dimensions."""
    return op.node.meta["value"]


@handles(len)
def length(op: Operation, x: Any) -> Any:
    """Return the length of a sequence."""
    op.require(isinstance(x, tuple | list))
    return len(x)


@handles(operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
def comparison(op: Operation, left: Any, right: Any) -> Any:
    """Return the result of a comparison inside a layer whose attributes, such as ``out_channels``, follow its tensors.

    Pruning does not change this result. Any other comparison is not understood, and the dimensions whose sizes it
    compares are never pruned.
    """
    op.require(op.layer is not None and op.node.meta["static"])
    return op.node.meta["value"]


@handles(torch._assert)
def check(op: Operation, condition: Any, message: str) -> None:
    """Do nothing for an assertion. The handler of the comparison in it has already made sure that the sizes never
    change."""


def arithmetic(op: Operation, left: Any, right: Any) -> Any:
    """Return the product or quotient of a tensor size and a number, or the concatenation of two shapes.

    For other arithmetic, the dimensions with these sizes are never pruned.
    """
    if op.node.target is operator.add and isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return (*left, *right)
    op.require(
        not isinstance(right, TiedSize) or op.node.target is operator.mul, "which computes with a number of heads"
    )
    if op.node.target is operator.mul and isinstance(right, Size):
        left, right = right, left
    op.require(isinstance(left, Size) and isinstance(right, int) and right > 0)
    if op.node.target is operator.mul:
        return Size(np.tile(op.counted(left), right))
    op.require(op.node.target is operator.floordiv)
    labels = op.counted(left)
    op.require(len(labels) % right == 0)
    return Size(labels, right) if op.is_free(labels) else len(labels) // right
