"""Handlers of elementwise operations and reductions: functions that merge labels for these operations.

A label is an integer that stands for a set of indices that are kept or dropped together. Elementwise operations merge
the labels of elements that are combined with each other.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from emopms.network.channels.labels.operation import Operation, Value, fixed, handles, values_in
from emopms.network.channels.labels.sizes import arithmetic

if TYPE_CHECKING:
    from emopms.network.channels.labels.union_find import Labels

RESIDUAL = "it belongs to a residual stream"
"""The recorded reason why channels that a residual connection adds are never pruned."""


def broadcast(op: Operation, *tensors: tuple[Labels, ...]) -> tuple[Labels, ...]:
    """Return the labels of the result of an elementwise operation with broadcasting.

    A label is an integer that stands for a set of indices that are kept or dropped together. If several inputs have an
    index that gives the same index of the result, the labels of these indices are merged.
    """
    rank = max(map(len, tensors))
    met: list[Labels] = []
    for dim in range(-rank, 0):
        meeting = [dims[dim] for dims in tensors if len(dims) >= -dim]
        width = max(map(len, meeting))
        first, *others = [labels for labels in meeting if len(labels) == width]
        for labels in others:
            op.merge(first, labels)
        met.append(first)
    return tuple(met)


@handles(
    *(F.relu, F.relu6, F.leaky_relu, F.elu, F.celu, F.selu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid),
    *(F.hardtanh, F.softplus, F.logsigmoid, F.softsign, F.tanhshrink, F.sigmoid, F.tanh, F.threshold, F.rrelu),
    *(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout, torch.dropout),
    *(torch.relu, torch.relu_, torch.sigmoid, torch.tanh, torch.exp, torch.log, torch.sqrt, torch.rsqrt, torch.abs),
    *(torch.clamp, torch.pow, torch.square, torch.neg, torch.erf, torch.sin, torch.cos, torch.clone, torch.where),
    *(torch.maximum, torch.minimum, torch.ones_like, torch.zeros_like, torch.rand_like, torch.reciprocal),
    *(operator.neg, operator.abs),
    *("relu", "sigmoid", "tanh", "exp", "log", "sqrt", "rsqrt", "abs", "clamp", "clamp_min", "clamp_max", "pow"),
    *("square", "neg", "erf", "maximum", "minimum", "masked_fill", "contiguous", "clone", "detach", "to", "float"),
    *("half", "double", "bfloat16", "type", "reciprocal", "hardtanh"),
)
def elementwise(op: Operation, *args: Any, **kwargs: Any) -> Value:
    """Return the labels (see `Value`) of an elementwise operation's output.

    The labels of elements that are combined are merged: the elements are then kept or dropped together. An argument
    that is a `Size`, a number that shrinks when channels are pruned, is not accepted, because the output's values would
    then change when channels are pruned.
    """
    tensors = list(values_in((args, kwargs)))
    op.require(bool(tensors) and all(isinstance(value, Value) for value in tensors))
    return Value(broadcast(op, *(value.dims for value in tensors)))


@handles(operator.mul, operator.imul, operator.truediv, operator.itruediv, torch.mul, torch.div, "mul", "div")
@handles(operator.pow, operator.floordiv, operator.mod)
def product(op: Operation, left: Any, right: Any, **kwargs: Any) -> Any:
    """Return the result of a multiplication, division or power: a `Value` or a tensor size."""
    if not isinstance(left, Value) and not isinstance(right, Value):
        return arithmetic(op, left, right)
    return elementwise(op, left, right)


@handles(operator.add, operator.iadd, operator.sub, operator.isub, torch.add, torch.sub, "add", "sub")
def add(op: Operation, left: Any, right: Any, **kwargs: Any) -> Any:
    """Return the result of an addition or subtraction: a `Value` or a tensor size.

    A sum is a residual sum if both summands depend on the images and have different labels. The indices of a residual
    sum are never pruned, unless the spec lets them be pruned.
    """
    if not isinstance(left, Value) and not isinstance(right, Value):
        return arithmetic(op, left, right)
    streams = [value for value in (left, right) if isinstance(value, Value) and not value.learnt]
    if len(streams) == 2 and not op.prune_residual:
        for one, other in zip(*(value.dims[::-1] for value in streams), strict=False):
            if 1 in (len(one), len(other)):
                continue  # this dimension is broadcast
            if len(one) != len(other) or op.union.roots(one) != op.union.roots(other):
                for labels in (one, other):
                    op.pin(labels, RESIDUAL)
    return elementwise(op, left, right)


@handles(F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, "softmax", "log_softmax")
def softmax(op: Operation, x: Value, dim: Any = None, *_: Any, **__: Any) -> Value:
    """Return the labels (see `Value`) of a softmax's output. The dimension of the softmax must be one that is never
    pruned."""
    op.require(not op.is_free(x.dims[op.axis(dim, len(x.dims))]))
    return x


@handles(torch.mean, torch.sum, torch.amax, torch.amin)
@handles("mean", "sum", "amax", "amin")
def reduction(op: Operation, x: Value, dim: Any = None, keepdim: bool = False, **_: Any) -> Value:
    """Return the labels (see `Value`) of a tensor after a reduction, such as a mean over positions.

    A dimension with indices that may be pruned must not be reduced, because the result would depend on the number of
    channels.
    """
    reduced = op.axes(dim, len(x.dims))
    op.require(not any(op.is_free(x.dims[axis]) for axis in reduced))
    kept = [None if axis in reduced else labels for axis, labels in enumerate(x.dims)]
    return Value(tuple(fixed(1) if labels is None else labels for labels in kept if keepdim or labels is not None))


@handles(torch.norm, torch.linalg.vector_norm, "norm")
def norm(op: Operation, x: Value, p: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Value:
    """Return the labels (see `Value`) of a norm's output, as `reduction` does. Some callers give the argument ``p`` as
    ``ord``."""
    return reduction(op, x, dim, keepdim)  # type: ignore[no-any-return]
