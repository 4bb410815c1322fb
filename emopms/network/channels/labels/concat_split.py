"""Handlers of concatenation, splitting and indexing.

A handler is a function that merges labels for one kind of operation, and returns the labels of the operation's output.
A label is an integer that stands for a set of indices that are kept or dropped together.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch

from emopms.network.channels.labels.operation import Operation, Size, Value, fixed, handles, values_in


@handles(torch.cat, torch.concat, torch.concatenate)
def concatenate(op: Operation, tensors: Any, dim: Any = 0) -> Value:
    """Return the labels (see `Value`) of a concatenation: labels are joined along one dimension, and merged along all
    other dimensions."""
    op.require(all(isinstance(tensor, Value) for tensor in tensors))
    first, *others = tensors
    axis = op.axis(dim, len(first.dims))
    for other in others:
        for place, (left, right) in enumerate(zip(first.dims, other.dims, strict=True)):
            if place != axis:
                op.merge(left, right)
    joined = np.concatenate([tensor.dims[axis] for tensor in tensors])
    return Value((*first.dims[:axis], joined, *first.dims[axis + 1 :]))


@handles(torch.stack)
def stack(op: Operation, tensors: Any, dim: Any = 0) -> Value:
    """Return the labels (see `Value`) of stacked tensors. The labels of all these tensors are merged.

    The dimension that stacking adds is never pruned.
    """
    first, *others = tensors
    for other in others:
        for left, right in zip(first.dims, other.dims, strict=True):
            op.merge(left, right)
    axis = op.axis(dim, len(first.dims) + 1)
    return Value((*first.dims[:axis], fixed(len(tensors)), *first.dims[axis:]))


@handles(torch.chunk, "chunk")
def chunk(op: Operation, x: Value, chunks: Any, dim: Any = 0) -> tuple[Value, ...]:
    """Return the labels (see `Value`) of each part of a tensor that ``torch.chunk`` divides into parts of the same
    size.

    The labels of the parts are merged, so that the parts have the same size after pruning too.
    """
    axis = op.axis(dim, len(x.dims))
    if op.is_free(x.dims[axis]):
        op.require(isinstance(chunks, int))
        op.tie(x.dims[axis], chunks)
    width = -(-len(x.dims[axis]) // chunks)
    return _parts(x, axis, list(range(width, len(x.dims[axis]), width)))


@handles(torch.split, torch.functional.split, "split", "split_with_sizes")
def split(op: Operation, x: Value, split_size_or_sections: Any = None, dim: Any = 0, **kwargs: Any) -> Any:
    """Return the labels (see `Value`) of each part of a tensor that is split along a dimension.

    If indices of a part may be pruned, the part's size in the call must be a `Size`, which shrinks with the part.
    """
    axis, sizes = op.axis(dim, len(x.dims)), kwargs.get("split_size", split_size_or_sections)
    width = len(x.dims[axis])
    if not isinstance(sizes, tuple | list):
        step = sizes.count if isinstance(sizes, Size) else sizes
        sizes = [sizes] * (width // step) + [width % step] * bool(width % step)
    widths = [size.count if isinstance(size, Size) else size for size in sizes]
    parts = _parts(x, axis, np.cumsum(widths)[:-1].tolist())
    for size, part in zip(sizes, parts, strict=True):
        op.require(op.is_size(size, part.dims[axis]))
    return parts


@handles(torch.unbind, "unbind")
def unbind(op: Operation, x: Value, dim: Any = 0) -> tuple[Value, ...]:
    """Return the labels (see `Value`) of tensors that are made by removing one dimension of a tensor. This dimension
    must never be pruned."""
    axis = op.axis(dim, len(x.dims))
    op.require(not op.is_free(x.dims[axis]))
    return (Value((*x.dims[:axis], *x.dims[axis + 1 :])),) * len(x.dims[axis])


@handles(operator.getitem)
def getitem(op: Operation, x: Any, index: Any) -> Any:
    """Return an item of a sequence, or the labels (see `Value`) of a tensor that is indexed by integers, slices, None
    or a tensor."""
    if isinstance(x, tuple | list):
        op.require(not any(True for _ in values_in(index)))
        return x[index]
    op.require(isinstance(x, Value))
    if isinstance(index, Value):
        return _looked_up(op, x, index)
    wanted = list(index) if isinstance(index, tuple) else [index]
    taken = sum(part is not None and part is not Ellipsis for part in wanted)
    at = wanted.index(Ellipsis) if any(part is Ellipsis for part in wanted) else len(wanted)
    wanted[at : at + 1] = [slice(None)] * (len(x.dims) - taken)
    remaining, dims = iter(x.dims), []
    for part in wanted:
        if part is None:
            dims.append(fixed(1))
            continue
        labels = next(remaining)
        if isinstance(part, slice):
            dims.append(_slice(op, labels, part))
        else:
            op.require(isinstance(part, int) and not op.is_free(labels))
    return Value(tuple(dims))


def _looked_up(op: Operation, x: Value, index: Value) -> Value:
    """Return the labels (see `Value`) of rows of a table that an index tensor selects, such as a table of position
    biases.

    The rows are never pruned.
    """
    for labels in (x.dims[0], *index.dims):
        op.pin(labels, "it is looked up by number")
    return Value((*index.dims, *x.dims[1:]))


def _slice(op: Operation, labels: Any, part: slice) -> Any:
    """Return the labels (see `Value`) of the indices that a slice selects.

    The slice is refused if it would select other indices after indices before its start or its end were pruned.
    """
    ends = [end.count if isinstance(end, Size) else end for end in (part.start, part.stop, part.step)]
    run = labels[slice(*ends)]
    everything = len(run) == len(labels) and not any(isinstance(end, Size) for end in (part.start, part.stop))
    for end, before in ((part.start, labels[: ends[0]]), (part.stop, labels[: ends[1]])):
        op.require(not isinstance(end, Size) or op.is_size(end, before))
        op.require(isinstance(end, Size) or end in (None, 0) or everything or not op.is_free(labels))
    op.require(part.step in (None, 1) or not op.is_free(labels))
    return run


def _parts(x: Value, axis: int, ends: list[int]) -> tuple[Value, ...]:
    """Split a tensor's labels (see `Value`) along one dimension into parts, and return the labels of each part."""
    return tuple(Value((*x.dims[:axis], labels, *x.dims[axis + 1 :])) for labels in np.split(x.dims[axis], ends))
