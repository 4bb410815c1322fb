"""Handlers of normalisation: functions that merge the labels of a normalisation's tensors.

A label is an integer that stands for a set of indices that are kept or dropped together. The parameters and buffers of
a normalisation are cut together with its channels. Its statistics are computed from the channels that are kept.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from emopms.network.channels.labels.operation import Operation, Value, handles, listed


@handles(F.batch_norm)
def batch_norm(
    op: Operation,
    x: Value,
    running_mean: Value | None,
    running_var: Value | None,
    weight: Value | None = None,
    bias: Value | None = None,
    training: Any = False,
    *_: Any,
    **__: Any,
) -> Value:
    if training and x.learnt:
        _keep_two(op, x)
    return _by_channel(op, x, running_mean, running_var, weight, bias)


def _keep_two(op: Operation, x: Value) -> None:
    """Never prune two of the weights that are standardised together, because a single weight has no variance.

    The handler of batch norm calls this function if the input depends on parameters alone: weight standardisation is
    often written as a batch norm of the weights.
    """
    for labels in x.dims[2:]:
        roots = op.union.roots(labels)
        if len(set(roots)) == len(roots):
            op.pin(labels[:2], "its weights are standardised with others, of which two stay")


@handles(F.instance_norm)
def instance_norm(
    op: Operation,
    x: Value,
    running_mean: Value | None = None,
    running_var: Value | None = None,
    weight: Value | None = None,
    bias: Value | None = None,
    *_: Any,
    **__: Any,
) -> Value:
    own = (running_mean, running_var, weight, bias)
    op.require(op.layer is None or any(tensor is not None for tensor in own))  # without tensors, it checks its width
    return _by_channel(op, x, *own)


@handles(F.group_norm)
def group_norm(
    op: Operation, x: Value, num_groups: Any, weight: Value | None = None, bias: Value | None = None, eps: Any = None
) -> Value:
    op.require(isinstance(num_groups, int))
    if num_groups < len(x.dims[1]):
        op.tie(x.dims[1], num_groups)
    else:  # with one group per channel, only a layer adapts the number of groups
        op.require(op.layer is not None and weight is not None)
    return _by_channel(op, x, weight, bias)


@handles(F.layer_norm, F.rms_norm)
def layer_norm(
    op: Operation, x: Value, normalized_shape: Any, weight: Value | None = None, bias: Value | None = None, eps: Any = 0
) -> Value:
    widths = listed(normalized_shape)
    follows = op.layer is not None and weight is not None
    for width, labels in zip(widths, x.dims[-len(widths) :], strict=True):
        op.require(follows or op.is_size(width, labels))
    if op.layer is None:
        op.leave_out()
    for own in (weight, bias):
        if own is not None:
            for mine, labels in zip(own.dims, x.dims[-len(widths) :], strict=True):
                op.merge(labels, mine)
    return x


@handles(F.prelu, torch.prelu)
def prelu(op: Operation, x: Value, weight: Value) -> Value:
    return _by_channel(op, x, None if weight.shape == (1,) else weight)


@handles(F.normalize)
def normalise(op: Operation, x: Value, p: Any = 2.0, dim: Any = 1, *_: Any, **__: Any) -> Value:
    op.require(not op.is_free(x.dims[op.axis(dim, len(x.dims))]))
    return x


def _by_channel(op: Operation, x: Value, *own: Value | None) -> Value:
    op.require(len(x.dims) >= 2)
    for tensor in own:
        if tensor is not None:
            op.merge(x.dims[1], tensor.dims[0])
    if op.layer is None:
        op.leave_out()
    return x
