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
    ("layer", "free"),
    [
        (nn.Conv2d(4, 4, 3, padding=1), {"b": 4, "op": 4}),
        (nn.Conv2d(4, 4, 1, groups=4), {"b": 4}),
        (nn.Conv2d(4, 4, 1, groups=2), {"b": 2, "op": 2}),
        (nn.ConvTranspose2d(4, 4, 3), {"b": 4, "op": 4}),
    ],
)
def test_convolutions_merge_what_they_read(layer: nn.Module, free: dict[str, int]) -> None:
    assert free_channels(lambda net, x: net.op(x), op=layer) == free


def test_a_depthwise_convolution_may_make_several_channels_of_each() -> None:
    layers = {"op": nn.Conv2d(4, 8, 1, groups=4), "width": nn.Linear(8, 3)}
    assert free_channels(lambda net, x: net.op(x), **layers) == {"b": 4}


def test_a_linear_layer_reads_the_last_dimension() -> None:
    def operation(net: Any, x: Tensor) -> Tensor:
        return net.op(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # type: ignore[no-any-return]

    assert free_channels(operation, op=nn.Linear(4, 4)) == {"b": 4, "op": 4}


def test_a_matrix_product_over_channels_merges_both_sides() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        left, right = net.left(x).flatten(2), net.right(x).flatten(2)
        return torch.matmul(left.transpose(1, 2), right).mean(2)

    network = Net(run, left=nn.Conv2d(2, 4, 1), right=nn.Conv2d(2, 4, 1))
    sub = whole(network)
    assert [(group.name, group.size) for group in sub.channels.groups] == [("left", 4)]
    assert sub.channels.dims["right.weight"][0].tolist() == sub.channels.dims["left.weight"][0].tolist()
    assert "matmul" in sub.channels.uncounted
    assert_prunes_well(network, sub)


@pytest.mark.parametrize(
    ("operation", "layers", "name"),
    [
        (lambda net, x: net.op(x), {"op": nn.ConvTranspose2d(4, 4, 1, groups=2)}, "conv_transpose2d"),
        (lambda net, x: F.conv2d(x, torch.ones(4, 1, 1, 1).double(), groups=4), {}, "conv2d"),
        (lambda net, x: net.op(x.transpose(1, 3)).transpose(1, 3), {"op": nn.Conv2d(6, 6, 1)}, "conv2d"),
    ],
)
def test_other_convolutions_pin(
    operation: Callable[[Any, Tensor], Tensor], layers: dict[str, nn.Module], name: str
) -> None:
    assert name in reason(operation, **layers)
