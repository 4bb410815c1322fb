"""MACs of `nn.MultiheadAttention`.

`nn.MultiheadAttention` holds the weights of its projections, but runs no linear layers. Hooks on linear layers
therefore do not count its MACs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeGuard

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def is_attention(module: nn.Module) -> TypeGuard[nn.MultiheadAttention]:
    """Return whether a module is an `nn.MultiheadAttention` whose forward is not overridden."""
    return isinstance(module, nn.MultiheadAttention) and type(module).forward is nn.MultiheadAttention.forward


def tokens_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return query, key and value from the arguments of a call of `nn.MultiheadAttention`."""
    given = dict(zip(("query", "key", "value"), args, strict=False)) | dict(kwargs)
    return given["query"], given["key"], given["value"]


def projection_macs(module: nn.MultiheadAttention, *shapes: Sequence[int]) -> int:
    """Return the MACs of the projections of query, key, value and output.

    Args:
        module: The module.
        shapes: The shapes of query, key and value.
    """
    query, key, value = map(math.prod, shapes)
    return int(module.embed_dim) * (2 * query + key + value)


def product_macs(module: nn.MultiheadAttention, query: Sequence[int], key: Sequence[int]) -> int:
    """Return the MACs of the products of tokens with tokens: queries with keys, and attention weights with values.

    Args:
        module: The module.
        query: Shape of the query.
        key: Shape of the key.
    """
    tokens = key[-2 if module.batch_first or len(key) == 2 else 0]
    more = (module.bias_k is not None) + int(module.add_zero_attn)
    return 2 * math.prod(query) * (tokens + more)
