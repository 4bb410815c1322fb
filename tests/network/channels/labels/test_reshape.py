"""Each operation is applied to the four channels of layer ``b``, in maps of 6 x 6."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from ...networks import Net, assert_prunes_well, whole
from .around import free_channels, reason

if TYPE_CHECKING:
    from collections.abc import Callable


def _shuffled(net: Any, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


@pytest.mark.parametrize(
    ("operation", "free"),
    [
        (lambda net, x: x.flatten(2)[..., None], 4),
        (lambda net, x: x.reshape(x.size(0), -1, 36, 1), 4),
        (lambda net, x: x.view(x.size(0), x.size(1), -1)[..., None], 4),
        (lambda net, x: x.unflatten(2, (2, 3)).flatten(3), 4),
        (lambda net, x: x.permute(0, 3, 1, 2).transpose(1, 2), 4),
        (lambda net, x: x.mean((2, 3)).unsqueeze(-1).expand(-1, -1, 5)[..., None], 4),
        (lambda net, x: x.mean((2, 3), keepdim=True).expand_as(x), 4),
        (lambda net, x: x.mean((2, 3), keepdim=True).squeeze(3).unsqueeze(3), 4),
        (lambda net, x: x.flatten(2).view_as(x), 4),
        (lambda net, x: x.reshape(x.size(0), -1, 2, 36).flatten(1, 2)[..., None], 2),
        (_shuffled, 2),
    ],
)
def test_channels_stay_free(operation: Callable[[Any, Tensor], Tensor], free: int) -> None:
    assert free_channels(operation) == {"b": free}


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda net, x: x.reshape(x.size(0), 4, 36, 1), "reshape"),
        (lambda net, x: x.mean((2, 3))[:, :, None].expand(-1, 4, 5)[..., None], "expand"),
    ],
)
def test_a_width_that_is_written_as_a_number_pins(operation: Callable[[Any, Tensor], Tensor], name: str) -> None:
    assert reason(operation).startswith(f"it meets {name}")


def test_each_channel_becomes_a_run_of_features_behind_a_flattening() -> None:
    network = Net(lambda net, x: net.scores(torch.flatten(net.a(x), 1)), a=nn.Conv2d(2, 4, 5), scores=nn.Linear(16, 3))
    sub = whole(network)
    assert sub.channels.dims["scores.weight"][1].tolist() == [gene for gene in range(4) for _ in range(4)]
    assert_prunes_well(network, sub)
