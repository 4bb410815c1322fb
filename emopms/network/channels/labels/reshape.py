"""Handlers of operations that only change the shape of a tensor, such as reshape, permute and expand.

These functions return the labels of the output. A label is an integer that stands for a set of indices that are kept or
dropped together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from emopms.network.channels.labels.operation import Operation, Size, TiedSize, Value, fixed, flat, handles
from emopms.network.channels.labels.union_find import FIXED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emopms.network.channels.labels.union_find import Labels

FOLLOWS = -1
"""In a shape argument, this number means that PyTorch computes the dimension's size from the number of elements."""

WRITTEN = "which takes its width as a number"


@handles(torch.reshape, "reshape", "view")
def reshape(op: Operation, x: Value, *shape: Any, **kwargs: Any) -> Value:
    return reshaped(op, x, flat(shape or (kwargs["shape"],)))


@handles(torch.flatten, "flatten")
def flatten(op: Operation, x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    return reshaped(op, x, [FOLLOWS] * len(op.shape))


@handles(torch.unflatten, "unflatten")
def unflatten(op: Operation, x: Value, dim: Any, sizes: Any) -> Value:
    axis = op.axis(dim, len(x.dims))
    before, after = ([op.size(labels) for labels in dims] for dims in (x.dims[:axis], x.dims[axis + 1 :]))
    return reshaped(op, x, [*before, *sizes, *after])


@handles(torch.squeeze, "squeeze")
def squeeze(op: Operation, x: Value, dim: Any = None) -> Value:
    axes = op.axes(dim, len(x.dims))
    return Value(tuple(labels for axis, labels in enumerate(x.dims) if axis not in axes or len(labels) > 1))


@handles(torch.unsqueeze, "unsqueeze")
def unsqueeze(op: Operation, x: Value, dim: Any) -> Value:
    axis = op.axis(dim, len(x.dims) + 1)
    return Value((*x.dims[:axis], fixed(1), *x.dims[axis:]))


@handles(torch.permute, "permute")
def permute(op: Operation, x: Value, *dims: Any, **kwargs: Any) -> Value:
    order = op.axes(flat(dims or (kwargs["dims"],)), len(x.dims))
    return Value(tuple(x.dims[axis] for axis in order))


@handles(torch.transpose, torch.swapaxes, "transpose", "swapaxes")
def transpose(op: Operation, x: Value, dim0: Any, dim1: Any) -> Value:
    dims = list(x.dims)
    first, second = op.axis(dim0, len(dims)), op.axis(dim1, len(dims))
    dims[first], dims[second] = dims[second], dims[first]
    return Value(tuple(dims))


@handles("t")
def matrix_transpose(op: Operation, x: Value) -> Value:
    return Value(x.dims[::-1])


@handles("expand", "broadcast_to", torch.broadcast_to)
def expand(op: Operation, x: Value, *sizes: Any) -> Value:
    """Return the labels (see `Value`) of an expanded tensor. Dimensions that keep their size keep their labels."""
    new = len(op.shape) - len(x.dims)
    dims = [
        op.counted(written) if isinstance(written, Size) else fixed(width)
        for written, width in zip(flat(sizes), op.shape, strict=True)
    ]
    for axis, labels in enumerate(x.dims, start=new):
        if len(labels) == op.shape[axis]:
            op.require(flat(sizes)[axis] == FOLLOWS or op.is_size(flat(sizes)[axis], labels), WRITTEN)
            dims[axis] = labels
    return Value(tuple(dims))


@handles("repeat")
def repeat(op: Operation, x: Value, *times: Any) -> Value:
    """Return the labels (see `Value`) of a repeated tensor. If the number of repetitions is a `Size`, the dimension
    must have size one."""
    counts = flat(times)
    dims = []
    for labels, count in zip([fixed(1)] * (len(counts) - len(x.dims)) + list(x.dims), counts, strict=True):
        op.require(not isinstance(count, Size) or len(labels) == 1)
        dims.append(op.counted(count) if isinstance(count, Size) else np.tile(labels, count))
    return Value(tuple(dims))


@handles("expand_as")
def expand_as(op: Operation, x: Value, other: Value) -> Value:
    dims = list(other.dims)
    for axis in range(-len(x.dims), 0):
        if len(x.dims[axis]) == len(dims[axis]):
            op.merge(x.dims[axis], dims[axis])
    return Value(tuple(dims))


@handles("type_as")
def type_as(op: Operation, x: Value, other: Value) -> Value:
    return x


@handles("view_as", "reshape_as")
def reshape_as(op: Operation, x: Value, other: Value) -> Value:
    return reshaped(op, x, [op.size(labels) for labels in other.dims])


def reshaped(op: Operation, x: Value, written: Sequence[Any]) -> Value:
    """Return the labels (see `Value`) of a reshaped tensor.

    The shapes before and after are divided into blocks that hold the same elements. In a block, several dimensions may
    become one dimension, or one dimension may become several.

    Args:
        op: The operation.
        x: The tensor.
        written: The new shape as the forward gives it: each entry is a number, a `Size` or `FOLLOWS`.
    """
    op.require(len(written) == len(op.shape))
    dims = dict(enumerate(map(fixed, op.shape)))
    for ins, outs in _blocks(x.shape, op.shape):
        free = [axis for axis in ins if op.is_free(x.dims[axis])]
        if not free:
            if len(ins) == len(outs) == 1:
                dims[outs[0]] = x.dims[ins[0]]
            elif pinned := [label for axis in ins for label in x.dims[axis][:1] if label != FIXED]:
                dims |= {out: np.repeat(pinned[0], op.shape[out]) for out in outs}  # they keep the reason of the inputs
            op.require(all(op.is_size(written[out], dims[out]) for out in outs if isinstance(written[out], Size)))
            continue
        if len(free) > 1:  # in a dimension of size one, the only index is always kept
            free = [axis for axis in free if len(x.dims[axis]) > 1]
        op.require(len(free) == 1)
        run = _run([x.shape[axis] for axis in ins], ins.index(free[0]), x.dims[free[0]])
        derived = [out for out in outs if isinstance(written[out], TiedSize)]  # numbers of heads come first
        if not derived:
            derived = [out for out in outs if written[out] == FOLLOWS or isinstance(written[out], Size)]
        if len(derived) > 1:  # `flatten` gives FOLLOWS for all dimensions; dimensions of size one hold no channels
            derived = [out for out in derived if op.shape[out] > 1]
        if len(derived) > 1:  # prefer a dimension that is written as a size
            derived = [out for out in derived if isinstance(written[out], Size)]
        op.require(bool(derived), WRITTEN)
        op.require(len(derived) == 1, "of whose sizes several may change")
        axis = derived[0]
        others = [out for out in outs if out != axis]
        by_others = np.moveaxis(run.reshape([op.shape[out] for out in outs]), outs.index(axis), -1)
        kept = op.tie(by_others.reshape(-1), max(1, int(np.prod([op.shape[out] for out in others]))))
        op.require(written[axis] == FOLLOWS or op.is_size(written[axis], kept), WRITTEN)
        dims[axis] = kept
    return Value(tuple(dims.values()))


def _run(shape: list[int], axis: int, labels: Labels) -> Labels:
    """Return, for each element of a flattened block of dimensions, the label of its index along one dimension.

    Args:
        shape: Sizes of the dimensions of the block.
        axis: The dimension in the block.
        labels: The labels of this dimension.
    """
    across = [1] * len(shape)
    across[axis] = len(labels)
    return np.broadcast_to(labels.reshape(across), shape).reshape(-1)


def _blocks(before: Sequence[int], after: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Divide the shapes before and after a reshape into the smallest blocks that hold the same elements.

    Each yielded pair holds the indices of the dimensions of one block, before and after the reshape.
    """
    first = second = 0
    while first < len(before) or second < len(after):
        ins: list[int] = []
        outs: list[int] = []
        left = right = 1
        while not ins or not outs or left != right:
            if second >= len(after) or (first < len(before) and (not ins or (outs and left < right))):
                ins.append(first)
                left *= before[first]
                first += 1
            else:
                outs.append(second)
                right *= after[second]
                second += 1
            if first >= len(before) and second >= len(after):
                break
        while first < len(before) and before[first] == 1 and (second >= len(after) or after[second] != 1):
            ins.append(first)
            first += 1
        while second < len(after) and after[second] == 1 and (first >= len(before) or before[first] != 1):
            outs.append(second)
            second += 1
        yield ins, outs
