"""Handlers of convolutions, linear layers and matrix products.

Such an operation sums over a dimension of each of its two inputs. The handler merges the labels of these dimensions. A
label is an integer that stands for a set of indices that are kept or dropped together.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from emopms.network.channels.labels.elementwise import broadcast
from emopms.network.channels.labels.operation import Operation, Value, fixed, handles

if TYPE_CHECKING:
    from emopms.network.channels.labels.union_find import Labels


@handles(F.linear)
def linear(op: Operation, x: Value, weight: Value, bias: Value | None = None) -> Value:
    op.require(len(weight.dims) == 2)
    rows, columns = weight.dims
    op.merge(x.dims[-1], columns)
    _count(op, x.dims[:-1], _times(op.size_for_one, len(columns)))
    return Value((*x.dims[:-1], _biased(op, rows, bias)))


@handles(F.conv1d, F.conv2d, F.conv3d)
def convolution(
    op: Operation,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: Any = 1,
) -> Value:
    op.require(len(x.dims) == len(weight.dims))
    made, read = weight.dims[:2]
    incoming = x.dims[1]
    depthwise = len(read) == 1 < len(incoming)
    if depthwise:
        # with one group per channel, the layer or the forward must adapt the number of groups
        op.require(op.layer is not None or op.is_size(groups, incoming))
        op.merge(np.repeat(incoming, len(made) // len(incoming)), made)
    else:
        op.require(isinstance(groups, int))
        op.merge(op.tie(incoming, groups), read)
        op.tie(made, groups)
    _count(op, x.dims[2:], _times(op.size_for_one, math.prod(weight.shape[1:])))
    return Value((x.dims[0], _biased(op, made, bias), *map(fixed, op.shape[2:])))


@handles(F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
def transposed_convolution(
    op: Operation,
    x: Value,
    weight: Value,
    bias: Value | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Value:
    op.require(len(x.dims) == len(weight.dims) and groups == 1)
    op.merge(x.dims[1], weight.dims[0])
    _count(op, x.dims[2:], None)
    return Value((x.dims[0], _biased(op, weight.dims[1], bias), *map(fixed, op.shape[2:])))


@handles(operator.matmul, torch.matmul, torch.bmm, "matmul", "bmm")
def matrix_product(op: Operation, left: Value, right: Value) -> Value:
    op.require(len(left.dims) >= 2 and len(right.dims) >= 2)
    op.merge(left.dims[-1], right.dims[-2])
    op.leave_out(_times(op.size_for_one, len(left.dims[-1])))
    return Value((*broadcast(op, left.dims[:-2], right.dims[:-2]), left.dims[-2], right.dims[-1]))


def _biased(op: Operation, made: Labels, bias: Value | None) -> Labels:
    if bias is not None:
        op.merge(made, bias.dims[0])
    return made


def _times(size: int | None, terms: int) -> int | None:
    """Return the MACs of an operation that computes each of ``size`` output elements as a sum of ``terms`` products.

    If ``size`` is None, the number of output elements is not known, and the result is None.
    """
    return None if size is None else size * terms


def _count(op: Operation, positions: tuple[Labels, ...], macs: int | None) -> None:
    """Mark the positions in an operation's output as never pruned. The cost model needs their number to stay the same.

    If the operation is not inside a layer, note that the cost model does not count its MACs.
    """
    for labels in positions:
        op.pin(labels, f"{op.name} counts it among its positions")
    if op.layer is None:
        op.leave_out(macs)
