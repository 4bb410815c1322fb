"""Each operation is applied to the four channels of layer ``b``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .around import free_channels, reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def _asserting(net: Any, x: Tensor) -> Tensor:
    assert x.dim() == 4
    assert len(x.shape) == 4
    return x


@pytest.mark.parametrize(
    ("operation", "free"),
    [
        (lambda net, x: x.flatten(2).reshape(x.shape), 4),
        (lambda net, x: x.flatten(2).reshape(x.size()), 4),
        (lambda net, x: x.flatten(2).reshape((*x.shape[:2], 36, 1)), 4),
        (lambda net, x: x.flatten(1).reshape(x.size(0), x.size(1) * 36)[:, : x.size(1) * 36].reshape(x.shape), 4),
        (lambda net, x: x.reshape(x.size(0), 2, x.size(1) // 2, 36).flatten(1, 2)[..., None], 2),
        (_asserting, 4),
    ],
)
def test_sizes_follow_the_channels(operation: Callable[[Any, Tensor], Tensor], free: int) -> None:
    assert free_channels(operation) == {"b": free}


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda net, x: x if x.size(1) > 2 else -x, "gt"),
        (lambda net, x: x.flatten(1).reshape(x.size(0), x.size(1) + 0, 36)[..., None], "add"),
        (lambda net, x: x * x.shape[1], "mul"),
    ],
)
def test_other_uses_of_a_size_pin_its_channels(operation: Callable[[Any, Tensor], Tensor], name: str) -> None:
    assert reason(operation).startswith(f"it meets {name}")
