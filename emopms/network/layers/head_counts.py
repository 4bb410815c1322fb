"""Attributes of an attention module that depend on its number of heads: the number itself, and the heads' total width.

The last linear layer of the module is its projection. The input width of the projection is the number of heads times
the width of a head. When heads are pruned, this width shrinks, and the attributes must change with it. The attributes
are found by name and value alone. They are found in the same way when a network is traced and when a dense network is
shrunk to a pruned state. `channels.labels.attention` then checks that the forward uses them as numbers of heads. If it
does not, the heads are never pruned.
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
    """Find a module's projection, and the integer attributes that must change with the projection's input width.

    Only attributes that the module's methods read are found. The module must have a number of heads above one, and a
    linear layer whose input width is a multiple of this number. Otherwise the result is empty.

    Returns:
        The path of the projection in the module and, for each attribute, the number of columns of the projection's
        weight per unit of the attribute. For a number of heads this is the width of a head. For the total width of the
        heads it is 1.
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
    """Return how many heads a projection reads if each head has the given width.

    With a width of 1, this is the total width of the heads.

    Args:
        weight: The projection's weight [outputs, heads x width].
        width: Width of a head.
    """
    return weight.shape[1] // width


def heads_of(module: nn.Module) -> dict[str, int]:
    """Return the values of the head count attributes that a module needs after its projection got another weight.

    The projection's attribute ``in_features`` must still hold the width of the earlier weight.
    """
    path, numbers = head_count_attributes(module)
    return {name: number_of_heads(module.get_parameter(f"{path}.weight"), width) for name, width in numbers.items()}


def _names_read(kind: type[nn.Module]) -> Iterator[str]:
    """Yield the names that occur in the methods of a module's class and its base classes, without constructors."""
    for base in kind.__mro__[: kind.__mro__.index(nn.Module)]:
        for name, method in vars(base).items():
            if name != "__init__" and isinstance(method, FunctionType):
                yield from _names_in(method.__code__)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:  # lambdas and generators
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
