"""Each operation is applied to the four channels of layer ``b``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...networks import Net, assert_prunes_well, whole
from .around import free_channels, reason

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "operation",
    [
        lambda net, x: F.max_pool2d(x, 2),
        lambda net, x: F.adaptive_avg_pool2d(x, 1),
        lambda net, x: F.interpolate(x, scale_factor=2),
        lambda net, x: F.avg_pool1d(x.flatten(2), 2)[..., None],
        lambda net, x: F.pad(x, (1, 2, 0, 1)),
        lambda net, x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
        lambda net, x: x.roll((1, 2), (2, 3)),
        lambda net, x: torch.flip(x, [2]),
    ],
)
def test_positions_may_be_pooled_moved_and_padded(operation: Callable[[Any, Tensor], Tensor]) -> None:
    assert free_channels(operation) == {"b": 4}


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda net, x: x.roll(1, 1), "roll"),
        (lambda net, x: torch.flip(x, [1]), "flip"),
        (lambda net, x: F.max_pool2d(x.transpose(1, 3), (1, 2)).transpose(1, 3), "max_pool2d"),
    ],
)
def test_channels_may_not_be(operation: Callable[[Any, Tensor], Tensor], name: str) -> None:
    assert name in reason(operation, width=nn.Linear(2 if name == "max_pool2d" else 4, 3))


def test_padding_with_channels_adds_some_that_always_stay() -> None:
    network = Net(
        lambda net, x: net.scores(F.pad(net.a(x), (0, 0, 0, 0, 1, 2)).mean((2, 3))),
        a=nn.Conv2d(2, 4, 1),
        scores=nn.Linear(7, 3),
    )
    sub = whole(network)
    assert sub.channels.dims["scores.weight"][1].tolist() == [-1, 0, 1, 2, 3, -1, -1]
    assert_prunes_well(network, sub)
