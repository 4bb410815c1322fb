"""Each operation is applied to the four channels of layer ``b``, in maps of 6 x 6."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emopms.errors import NetworkError
from emopms.network.partition.subnetwork import subnetworks_of

from ...networks import IMAGES, Net, assert_prunes_well, randomise, whole
from .around import free_channels, reason

if TYPE_CHECKING:
    from collections.abc import Callable


def _shuffled(net: Any, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def _shuffled_the_other_way(net: Any, x: Tensor) -> Tensor:
    n, c, h, w = x.size()
    return x.reshape(n, c // 2, 2, h, w).transpose(1, 2).flatten(1, 2)


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
        (_shuffled_the_other_way, 2),
        (lambda net, x: torch.chunk(x, 2, 1)[0].repeat(1, 2, 1, 1), 2),
    ],
)
def test_channels_stay_free(operation: Callable[[Any, Tensor], Tensor], free: int) -> None:
    assert free_channels(operation) == {"b": free}


def _gate(net: Any, x: Tensor) -> Tensor:
    return torch.sigmoid(net.excite(net.squeeze(F.adaptive_avg_pool2d(x, 1).flatten(1)).relu()))


def _as_often_written(net: Any, x: Tensor) -> Tensor:
    n, c, _, _ = x.size()
    return x * _gate(net, x).view(n, c, 1, 1)


def _expanded(net: Any, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return _gate(net, x)[..., None, None].expand(n, c, h, w) * x


def _in_groups(net: Any, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    gate = _gate(net, x).view(n, 2, c // 2, 1, 1)
    return (x.view(n, 2, c // 2, h, w) * gate).view(n, c, h, w)


GATES: list[tuple[Callable[[Any, Tensor], Tensor], int]] = [
    (_as_often_written, 4),
    (_expanded, 4),
    (_in_groups, 2),
    (lambda net, x: x * _gate(net, x).view(x.size(0), -1, 1, 1), 4),
    (lambda net, x: x * _gate(net, x).view(-1, x.size(1), 1, 1), 4),
    (lambda net, x: x * _gate(net, x).reshape(x.shape[0], x.shape[1], 1, 1), 4),
    (lambda net, x: x * _gate(net, x).flatten().view(x.size(0), x.size(1), 1, 1), 4),
    (lambda net, x: x * _gate(net, x).flatten().view(-1, x.size(1), 1, 1), 4),
    (lambda net, x: x * _gate(net, x).view(*x.shape[:2], 1, 1), 4),
    (lambda net, x: x * _gate(net, x).view(x.shape[:2] + (1, 1)), 4),  # noqa: RUF005  as people write it
    (lambda net, x: x * _gate(net, x).unflatten(1, (x.size(1), 1, 1)), 4),  # type: ignore[no-untyped-call]
    (lambda net, x: x * _gate(net, x)[..., None, None].broadcast_to(x.shape), 4),
    (lambda net, x: x * torch.broadcast_to(_gate(net, x)[..., None, None], x.size()), 4),
    (lambda net, x: x * _gate(net, x)[..., None, None].repeat(1, 1, *x.shape[2:]), 4),
    (lambda net, x: x * _gate(net, x).view(x.size(0), 1, 1, x.size(1)).transpose(1, 3), 4),
]
"""Squeeze and excitation in the ways in which it is written, with the number of channels that stay free."""


@pytest.mark.parametrize(("operation", "free"), GATES)
def test_a_gate_that_is_given_the_size_of_what_it_gates_follows_it(
    operation: Callable[[Any, Tensor], Tensor], free: int
) -> None:
    assert free_channels(operation, squeeze=nn.Linear(4, 3), excite=nn.Linear(3, 4)) == {"b": free, "squeeze": 3}


def test_a_size_makes_no_one_stream_of_two_that_a_sum_joins() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.a(x)
        n, c, h, w = x.shape
        return net.scores((x + net.b(x.flatten(2).transpose(1, 2)).transpose(1, 2).view(n, c, h, w)).mean((2, 3)))  # type: ignore[no-any-return]

    network = Net(run, a=nn.Conv2d(2, 4, 1), b=nn.Linear(4, 4), scores=nn.Linear(4, 3))
    with pytest.raises(NetworkError, match=r"a and 1 more: it belongs to a residual stream"):
        whole(network)
    (sub,) = subnetworks_of(randomise(network, 0), [], IMAGES, prune_residual=True)
    assert [group.name for group in sub.channels.groups] == ["a"]
    assert_prunes_well(network, sub)


def test_a_gate_on_what_is_partly_pinned_follows_it() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.scores(_as_often_written(net, torch.cat([x, net.a(x)], 1)).mean((2, 3)))  # type: ignore[no-any-return]

    network = Net(
        run, a=nn.Conv2d(2, 4, 3, padding=1), squeeze=nn.Linear(6, 3), excite=nn.Linear(3, 6), scores=nn.Linear(6, 3)
    )
    sub = whole(network)
    assert {group.name: group.size for group in sub.channels.groups} == {"a": 4, "squeeze": 3}
    assert_prunes_well(network, sub)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda net, x: x.reshape(x.size(0), 4, 36, 1), "reshape"),
        (lambda net, x: x.mean((2, 3))[:, :, None].expand(-1, 4, 5)[..., None], "expand"),
        (lambda net, x: x.flatten(1).unflatten(1, (4, 36)).unsqueeze(3), "unflatten"),
    ],
)
def test_a_width_that_is_written_as_a_number_pins(operation: Callable[[Any, Tensor], Tensor], name: str) -> None:
    assert reason(operation).startswith(f"it meets {name}")


def test_each_channel_becomes_a_run_of_features_behind_a_flattening() -> None:
    network = Net(lambda net, x: net.scores(torch.flatten(net.a(x), 1)), a=nn.Conv2d(2, 4, 5), scores=nn.Linear(16, 3))
    sub = whole(network)
    assert sub.channels.dims["scores.weight"][1].tolist() == [gene for gene in range(4) for _ in range(4)]
    assert_prunes_well(network, sub)
