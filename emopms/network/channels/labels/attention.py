"""Handlers of attention. A head is kept or dropped as a whole, and the number of heads changes with the kept heads.

A handler is a function that merges labels for one kind of operation. A label is an integer that stands for a set of
indices that are kept or dropped together.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F

from emopms.network.channels.labels.elementwise import broadcast
from emopms.network.channels.labels.operation import Operation, TiedSize, Value, handles, values_in
from emopms.network.layers.head_counts import number_of_heads


@handles(number_of_heads)
def heads(op: Operation, weight: Value, width: int) -> Any:
    """Return the number of heads of an attention module, as a `TiedSize` if the heads may be pruned.

    Each head is ``width`` consecutive columns of the projection's weight. Each column has a label, and the labels of
    the columns of a head are merged. A head is then kept or dropped as a whole.
    """
    columns = weight.dims[1]
    runs = columns.reshape(-1, width)
    for column in runs.T[1:]:
        op.merge(runs[:, 0], column)
    return TiedSize(runs[:, 0]) if op.is_free(columns) else len(runs)


@handles(F.scaled_dot_product_attention)
def attention(
    op: Operation, query: Value, key: Value, value: Value, attn_mask: Value | None = None, *more: Any, **settings: Any
) -> Value:
    """Return the labels of the output of scaled dot-product attention.

    Attention sums over the features of queries and keys, and over the tokens of keys and values. A label is an integer
    that stands for a set of indices that are kept or dropped together. In each of the two sums, the labels of both
    tensors along the summed dimension are merged. The labels of the batch dimensions of all tensors are merged too.
    """
    op.require(not any(True for _ in values_in((more, settings))))
    op.require(not settings.get("enable_gqa"), "in which several heads of queries share one of keys")
    op.require(not op.is_free(key.dims[-2]))
    op.merge(query.dims[-1], key.dims[-1])
    op.merge(key.dims[-2], value.dims[-2])
    around = broadcast(op, query.dims[:-2], key.dims[:-2], value.dims[:-2])
    if attn_mask is not None:
        around = broadcast(op, (*around, query.dims[-2], key.dims[-2]), attn_mask.dims)[:-2]
    one, width = op.size_for_one, len(value.dims[-1])
    op.leave_out(None if one is None else one // width * len(key.dims[-2]) * (len(key.dims[-1]) + width))
    return Value((*around, query.dims[-2], value.dims[-1]))
