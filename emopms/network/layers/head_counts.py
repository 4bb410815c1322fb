"""Attributes of an attention module that depend on its number of heads: the number itself, and the heads' total width.

They follow the input width of the module's last linear layer, its projection: heads × width of a head. The attributes
are found by name and value alone, in the same way when a network is traced and when a dense one is shrunk to a state.
The labels (see `labels.attention`) then confirm that they count what the forward uses them for; otherwise the heads are
pinned.
"""

from __future__ import annotations

import re
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

HEADS = re.compile(r"(^|_|n)heads?$")
"""Pattern of attribute names that count heads: ``num_heads``, ``heads``, ``n_head``, ``num_attention_heads``."""


def head_count_attributes(module: nn.Module) -> tuple[str, dict[str, int]]:
    """Find a module's projection and the integer attributes that follow its input width.

    Only attributes that the module's methods read count. A module has none unless it has a number of heads above one
    and a linear layer whose input width is a multiple of it.

    Returns:
        The projection's path in the module, and for each attribute how many columns of the projection's weight it
        counts as one: the width of a head for a number of heads, 1 for the total width of the heads.
    """
    whole = {name: value for name, value in vars(module).items() if type(value) is int and value > 1}
    if any(map(HEADS.search, whole)):
        read = set(_names_read(type(module)))
        whole = {name: value for name, value in whole.items() if name in read}
        linear = [(path, layer.in_features) for path, layer in module.named_modules() if isinstance(layer, nn.Linear)]
        for path, width in reversed(linear):
            heads = {n: width // v for n, v in whole.items() if HEADS.search(n) and width % v == 0 and width > v}
            if heads:
                return path, heads | {name: 1 for name, value in whole.items() if value == width}
    return "", {}


def number_of_heads(weight: Tensor, width: int) -> int:
    """Return how many heads of a width a projection reads; for a width of 1, their total width.

    Args:
        weight: The projection's weight [outputs, heads x width].
        width: Width of a head.
    """
    return weight.shape[1] // width


def heads_of(module: nn.Module) -> dict[str, int]:
    """Return the attributes that a module needs after its projection got another weight.

    The projection's own ``in_features`` must still be that of the weight before.
    """
    path, numbers = head_count_attributes(module)
    return {name: number_of_heads(module.get_parameter(f"{path}.weight"), width) for name, width in numbers.items()}


def _names_read(kind: type[nn.Module]) -> Iterator[str]:
    """Yield the names that occur in the methods of a module's class, except for its constructor."""
    for base in kind.__mro__[: kind.__mro__.index(nn.Module)]:
        for name, method in vars(base).items():
            if name != "__init__" and isinstance(method, FunctionType):
                yield from _names_in(method.__code__)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:  # lambdas and generators
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
