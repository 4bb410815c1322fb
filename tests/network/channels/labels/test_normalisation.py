"""Convolutions that standardise the weights of each output before they use them.

What an output computes depends on which inputs are left, as it does where a layer normalises over channels: a candidate
is the network without its channels, and surgery gives that very network. Zeros for dropped channels would not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...networks import IMAGES, Net, assert_prunes_well, pruned_copy, whole


class Standardised(nn.Conv2d):
    """As in BiT (arXiv 1912.11370): mean 0 and variance 1 among the weights of each output."""

    def standard(self, **gain: Tensor) -> Tensor:
        rows = self.weight.reshape(1, self.out_channels, -1)
        return F.batch_norm(rows, None, None, **gain, training=True, momentum=0.0, eps=1e-6).reshape_as(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.standard(), self.bias, self.stride, self.padding, self.dilation, self.groups)


class Scaled(Standardised):
    """As in normaliser-free networks (arXiv 2101.08692): with a gain for each output, too."""

    def __init__(self, *sizes: Any, **settings: Any) -> None:
        super().__init__(*sizes, **settings)
        self.gain = nn.Parameter(torch.rand(self.out_channels, 1, 1, 1) + 0.5)

    def standard(self, **gain: Tensor) -> Tensor:
        return super().standard(weight=(self.gain * 0.7).view(-1))


def chain(kind: type[nn.Conv2d], kernel: int = 3, **settings: Any) -> Net:
    return Net(
        lambda net, x: net.scores(F.relu(net.b(F.relu(net.a(x)))).mean((2, 3))),
        a=kind(2, 4, 3),
        b=kind(4, 6, kernel, **settings),
        scores=nn.Linear(6, 3),
    )


@pytest.mark.parametrize("kind", [Standardised, Scaled])
def test_inputs_and_outputs_can_be_pruned(kind: type[nn.Conv2d]) -> None:
    network = chain(kind)
    sub = whole(network)
    assert [(group.name, group.size) for group in sub.channels.groups] == [("a", 4), ("b", 6)]
    assert_prunes_well(network, sub)


def test_groups_of_channels_keep_equal_sizes() -> None:
    network = chain(Standardised, groups=2)
    sub = whole(network)
    assert [(group.name, group.size) for group in sub.channels.groups] == [("a", 2), ("b", 3)]
    assert_prunes_well(network, sub)


def test_outputs_do_not_depend_on_each_other() -> None:
    network = chain(Scaled)
    sub = whole(network)
    genome = np.array([True] * 4 + [True, False, False, True, True, False])
    with torch.no_grad():
        network.get_parameter("scores.weight")[:, ~genome[4:]] = 0
        torch.testing.assert_close(sub.forward(IMAGES, genome), network(IMAGES))


def test_an_output_is_left_two_weights() -> None:
    """Of one alone there is no variance, and PyTorch refuses to normalise it."""
    network = chain(Standardised, kernel=1)
    sub = whole(network)
    assert [(group.name, group.size) for group in sub.channels.groups] == [("a", 2), ("b", 6)]
    (least,) = sub.repair(np.zeros((1, sub.channels.genes), dtype=np.bool_), np.zeros(sub.channels.genes))
    assert least.sum() == 2
    pruned = pruned_copy(network, [sub], [least])
    assert pruned.get_parameter("b.weight").shape == (1, 3, 1, 1)
    torch.testing.assert_close(sub.forward(IMAGES, least), pruned(IMAGES))


class Numbered(Standardised):
    def forward(self, input: Tensor) -> Tensor:
        weight = F.batch_norm(self.weight.reshape(1, 6, -1), None, None, training=True).reshape_as(self.weight)
        return F.conv2d(input, weight, self.bias)


class ByHand(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(Numbered, "it meets reshape, which takes its width as a number"), (ByHand, "it meets mean, this use of which")],
)
def test_what_is_written_otherwise_keeps_its_channels_with_the_reason(kind: type[nn.Conv2d], reason: str) -> None:
    network = chain(nn.Conv2d)
    network.add_module("b", kind(4, 6, 3))
    network = Net(lambda net, x: net.inner(net.e(net.d(x))), d=nn.Conv2d(2, 3, 1), e=nn.Conv2d(3, 2, 1), inner=network)
    sub = whole(network)
    assert sub.channels.pinned["inner.a"].startswith(reason)
    assert sub.channels.pinned["inner.b"].startswith(reason)
    assert_prunes_well(network, sub)
