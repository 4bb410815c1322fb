"""Numbers that an attention module keeps beside its tensors: how many heads it has, and how wide they are together.

They follow what the module's last linear layer reads, its projection: heads × width of a head. Which numbers those
are is told by name and value alone, the same way where a network is traced and where a dense one is shrunk to a state;
that they count what the forward uses them for is then known from the labels (see `labels.attention`), or else the
heads are pinned.
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
"""Names of attributes that count heads: ``num_heads``, ``heads``, ``n_head``, ``num_attention_heads``."""


def head_count_attributes(module: nn.Module) -> tuple[str, dict[str, int]]:
    """Path of a module's projection in it, and the integers of the module that follow that: how many columns of the
    projection each of them counts once.

    That is the width of a head for the number of heads, and 1 for the width of all heads together. Only what the
    methods of the module read is looked at. Nothing follows in a module without a number of heads above one, nor
    where no linear layer reads a multiple of it.
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
    """How many heads of this width a projection reads; with a width of 1, how wide they are together.

    Args:
        weight: Of the projection [outputs, heads x width].
    """
    return weight.shape[1] // width


def heads_of(module: nn.Module) -> dict[str, int]:
    """The numbers that a module whose projection got another weight is to have.

    The projection's own ``in_features`` must still be that of the weight before.
    """
    path, numbers = head_count_attributes(module)
    return {name: number_of_heads(module.get_parameter(f"{path}.weight"), width) for name, width in numbers.items()}


def _names_read(kind: type[nn.Module]) -> Iterator[str]:
    """Names that occur in the methods of a module's class, its constructor aside."""
    for base in kind.__mro__[: kind.__mro__.index(nn.Module)]:
        for name, method in vars(base).items():
            if name != "__init__" and isinstance(method, FunctionType):
                yield from _names_in(method.__code__)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:  # lambdas and generators
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
