"""Each operation is applied to the four channels of layer ``b``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from ...networks import IMAGES, Net, assert_prunes_well, whole
from .around import free_channels, reason

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("operation", "free"),
    [
        (lambda net, x: torch.cat([x, x], 2), 4),
        (lambda net, x: torch.stack([x, x.relu()], 2).mean(2), 4),
        (lambda net, x: x.chunk(2, 1)[0] * x.chunk(2, 1)[1], 2),
        (lambda net, x: torch.cat(x.chunk(2, 1)[::-1], 1), 2),
        (lambda net, x: torch.cat(x.split(3, 2), 2), 4),
        (lambda net, x: torch.cat(torch.split(x, [2, 4], dim=3), 3), 4),
        (lambda net, x: x.unbind(2)[0][:, :, None], 4),
        (lambda net, x: x[:, :, 1:3, ::2], 4),
        (lambda net, x: x[..., 0, None, :], 4),
    ],
)
def test_channels_stay_free(operation: Callable[[Any, Tensor], Tensor], free: int) -> None:
    width = operation(None, torch.zeros(1, 4, 6, 6)).shape[1]
    assert free_channels(operation, width=nn.Linear(width, 3))["b"] == free


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda net, x: torch.cat([x[:, 2:], x[:, :2]], 1), "getitem"),
        (lambda net, x: torch.cat(x.split(2, 1), 1), "split"),
        (lambda net, x: torch.stack(x.unbind(1), 1), "unbind"),
        (lambda net, x: x[:, [1, 0, 3, 2]], "getitem"),
    ],
)
def test_channels_at_a_written_place_are_pinned(operation: Callable[[Any, Tensor], Tensor], name: str) -> None:
    assert reason(operation).startswith(f"it meets {name}")


def test_rows_that_are_looked_up_are_pinned_and_columns_are_free() -> None:
    """A table of biases, like that of relative positions."""

    def run(net: Any, x: Tensor) -> Tensor:
        biases = net.table.weight[net.index].mean(0)
        return net.scores((net.a(x) + biases[None, :, None, None]).relu().mean((2, 3)))  # type: ignore[no-any-return]

    network = Net(run, a=nn.Conv2d(2, 4, 1), table=nn.Embedding(5, 4), scores=nn.Linear(4, 3))
    network.register_buffer("index", torch.tensor([0, 3, 3]))
    sub = whole(network)
    assert [(group.name, group.size) for group in sub.channels.groups] == [("a", 4)]
    assert list(sub.channels.dims["table.weight"]) == [1]
    assert_prunes_well(network, sub)
    assert sub.forward(IMAGES).shape == (3, 3)
