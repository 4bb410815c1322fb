"""Each operation is applied to the four channels of layer ``b``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emopms.network.partition.subnetwork import subnetworks_of

from ...networks import IMAGES, Net, assert_prunes_well, randomise, whole
from .around import free_channels, reason

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "operation",
    [
        lambda net, x: F.gelu(x),
        lambda net, x: x.sigmoid().clamp(0, 1),
        lambda net, x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
        lambda net, x: x / 2 - x,
        lambda net, x: torch.maximum(x, x * 0.1),
        lambda net, x: x.softmax(2),
        lambda net, x: x.amax((2, 3))[:, :, None, None],
        lambda net, x: x / x.norm(dim=(2, 3), keepdim=True),
    ],
)
def test_channels_stay_free(operation: Callable[[Any, Tensor], Tensor]) -> None:
    assert free_channels(operation) == {"b": 4}


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda net, x: x - x.mean(1, keepdim=True), "mean"),
        (lambda net, x: x.softmax(1), "softmax"),
        (lambda net, x: x / x.size(1), "truediv"),
        (lambda net, x: x / x.norm(dim=1, keepdim=True), "norm"),
    ],
)
def test_what_depends_on_the_number_of_channels_pins_them(
    operation: Callable[[Any, Tensor], Tensor], name: str
) -> None:
    assert reason(operation).startswith(f"it meets {name}")


@pytest.mark.parametrize("prune_residual", [False, True])
def test_a_residual_sum_pins_both_sides_or_merges_them(prune_residual: bool) -> None:
    network = Net(
        lambda net, x: net.scores((net.stem(x) + net.b(net.a(x).relu())).relu().mean((2, 3))),
        stem=nn.Conv2d(2, 4, 1),
        a=nn.Conv2d(2, 3, 1),
        b=nn.Conv2d(3, 4, 1),
        scores=nn.Linear(4, 3),
    )
    (sub,) = subnetworks_of(randomise(network, 0), [], IMAGES, prune_residual=prune_residual)
    groups = {group.name: group.size for group in sub.channels.groups}
    assert groups == ({"stem": 4, "a": 3} if prune_residual else {"a": 3})
    opens = "it belongs to a residual stream, which `genome: {prune_residual: true}` opens"
    assert sub.channels.pinned.get("b") == (None if prune_residual else opens)
    assert_prunes_well(network, sub)


def test_a_gate_has_the_channels_that_it_scales() -> None:
    network = Net(
        lambda net, x: net.scores((net.a(x) * net.gate(x).sigmoid()).mean((2, 3))),
        a=nn.Conv2d(2, 4, 1),
        gate=nn.Conv2d(2, 4, 1),
        scores=nn.Linear(4, 3),
    )
    sub = whole(network)
    assert [(group.name, group.size) for group in sub.channels.groups] == [("a", 4)]
    assert_prunes_well(network, sub)
