"""Numbers that the forward reads off its tensors: exact where they follow what is dropped, else pinned."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch

from emopms.network.channels.labels.operation import Operation, Size, TiedSize, Value, handles


@handles(getattr)
def attribute(op: Operation, x: Any, name: str) -> Any:
    if isinstance(x, Value) and name == "shape":
        return size(op, x)
    op.require(isinstance(x, Value) and op.node.meta["static"])  # its type, its device, its rank
    return op.node.meta["value"]


@handles("size")
def size(op: Operation, x: Value, dim: Any = None) -> Any:
    if dim is not None:
        return op.size(x.dims[op.axis(dim, len(x.dims))])
    return tuple(map(op.size, x.dims))


@handles("dim", "ndimension", "is_floating_point", "is_contiguous")
def setting(op: Operation, x: Value, **_: Any) -> Any:
    return op.node.meta["value"]


@handles(len)
def length(op: Operation, x: Any) -> Any:
    op.require(isinstance(x, tuple | list))
    return len(x)


@handles(operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
def comparison(op: Operation, left: Any, right: Any) -> Any:
    """Of a width with one that a layer keeps, and that follows its tensors; others must stay as they are."""
    op.require(op.layer is not None and op.node.meta["static"])
    return op.node.meta["value"]


@handles(torch._assert)
def check(op: Operation, condition: Any, message: str) -> None:
    """What it depends on was pinned where it was compared."""


def arithmetic(op: Operation, left: Any, right: Any) -> Any:
    """Multiples and parts of a width, and shapes put together."""
    if op.node.target is operator.add and isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return (*left, *right)
    op.require(
        not isinstance(right, TiedSize) or op.node.target is operator.mul, "which computes with a number of heads"
    )
    if op.node.target is operator.mul and isinstance(right, Size):
        left, right = right, left
    op.require(isinstance(left, Size) and isinstance(right, int) and right > 0)
    if op.node.target is operator.mul:
        return Size(np.tile(left.labels, right))
    op.require(op.node.target is operator.floordiv)
    return op.size(op.tie(left.labels, right))
