"""Handlers of pooling, resizing and padding of images [N, C, …]: functions that return the labels of the output.

A label is an integer that stands for a set of indices that are kept or dropped together.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from emopms.network.channels.labels.operation import Operation, Value, fixed, flat, handles, values_in


def _over(*axes: int) -> Any:
    """Return a handler of pooling and resizing.

    Args:
        axes: Allowed numbers of positional dimensions, which follow the dimensions N and C.
    """

    def handler(op: Operation, x: Value, *args: Any, **kwargs: Any) -> Value:
        op.require(len(x.dims) - 2 in axes and not any(True for _ in values_in((args, kwargs))))
        op.require(not any(op.is_free(labels) for labels in x.dims[2:]))
        return Value((*x.dims[:2], *map(fixed, op.shape[2:])))

    return handler


handles(F.max_pool1d, F.avg_pool1d, F.adaptive_avg_pool1d, F.adaptive_max_pool1d, torch.max_pool1d)(_over(1))
handles(F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.lp_pool2d, torch.max_pool2d)(
    _over(2)
)
handles(F.max_pool3d, F.avg_pool3d, F.adaptive_avg_pool3d, F.adaptive_max_pool3d)(_over(3))
handles(F.interpolate, F.upsample)(_over(1, 2, 3))


@handles(F.pad)
def pad(op: Operation, x: Value, pad: Any, mode: str = "constant", value: Any = None) -> Value:
    """Return the labels (see `Value`) of a padded tensor. Channels that the padding adds are never pruned."""
    op.require(all(isinstance(amount, int) and amount >= 0 for amount in pad))
    dims = list(x.dims)
    for axis, before, after in zip(range(len(dims))[::-1], pad[::2], pad[1::2], strict=False):
        labels = dims[axis]
        op.require(mode == "constant" or not op.is_free(labels) or before == after == 0)
        dims[axis] = op.union.padded(labels, before, after) if before or after else labels
    return Value(tuple(dims))


@handles(torch.roll, "roll")
def roll(op: Operation, x: Value, shifts: Any, dims: Any = None) -> Value:
    op.require(not any(op.is_free(x.dims[axis]) for axis in op.axes(dims, len(x.dims))))
    return x


@handles(torch.flip, "flip")
def flip(op: Operation, x: Value, *dims: Any) -> Value:
    return roll(op, x, None, flat(dims))  # type: ignore[no-any-return]
