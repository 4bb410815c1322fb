"""Handlers of concatenation, splitting and indexing. Each handler returns the labels of an operation's output."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch

from emopms.network.channels.labels.operation import Operation, Size, Value, fixed, handles, values_in


@handles(torch.cat, torch.concat, torch.concatenate)
def concatenate(op: Operation, tensors: Any, dim: Any = 0) -> Value:
    """Concatenate the labels of tensors along one dimension, and merge them along every other dimension."""
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
    """Merge the labels of all stacked tensors. The dimension that stacking adds is never pruned."""
    first, *others = tensors
    for other in others:
        for left, right in zip(first.dims, other.dims, strict=True):
            op.merge(left, right)
    axis = op.axis(dim, len(first.dims) + 1)
    return Value((*first.dims[:axis], fixed(len(tensors)), *first.dims[axis:]))


@handles(torch.chunk, "chunk")
def chunk(op: Operation, x: Value, chunks: Any, dim: Any = 0) -> tuple[Value, ...]:
    """Divide labels into parts of one size, and merge the parts. Pruning then leaves the parts equally large."""
    axis = op.axis(dim, len(x.dims))
    if op.is_free(x.dims[axis]):
        op.require(isinstance(chunks, int))
        op.tie(x.dims[axis], chunks)
    width = -(-len(x.dims[axis]) // chunks)
    return _parts(x, axis, list(range(width, len(x.dims[axis]), width)))


@handles(torch.split, torch.functional.split, "split", "split_with_sizes")
def split(op: Operation, x: Value, split_size_or_sections: Any = None, dim: Any = 0, **kwargs: Any) -> Any:
    """Split the labels of a dimension. If a part may be pruned, its size must be a `Size` that counts its labels."""
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
    """Remove a dimension. The labels of this dimension must be pinned, which means that they are never pruned."""
    axis = op.axis(dim, len(x.dims))
    op.require(not op.is_free(x.dims[axis]))
    return (Value((*x.dims[:axis], *x.dims[axis + 1 :])),) * len(x.dims[axis])


@handles(operator.getitem)
def getitem(op: Operation, x: Any, index: Any) -> Any:
    """Return an item of a sequence, or the labels of a tensor that is indexed by integers, slices, None or a tensor."""
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
    """Return the labels of rows that are looked up by their number, as in a table of position biases.

    The rows are pinned: they are never pruned.
    """
    for labels in (x.dims[0], *index.dims):
        op.pin(labels, "it is looked up by number")
    return Value((*index.dims, *x.dims[1:]))


def _slice(op: Operation, labels: Any, part: slice) -> Any:
    """Return the labels that a slice selects.

    The slice is not accepted if it would select other labels after labels before its start or end were dropped.
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
    """Split a tensor's labels along one dimension."""
    return tuple(Value((*x.dims[:axis], labels, *x.dims[axis + 1 :])) for labels in np.split(x.dims[axis], ends))
