from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from emopms.network.graph.nodes import called_module, in_place, last_live_use, module_path, path_prefixes, shape_of
from emopms.network.graph.trace import trace

from ..networks import IMAGES, Net


@pytest.mark.parametrize(
    ("path", "prefixes"),
    [("", []), ("stem", ["stem"]), ("layer1.0.conv", ["layer1", "layer1.0", "layer1.0.conv"])],
)
def test_prefixes_of_a_path(path: str, prefixes: list[str]) -> None:
    assert path_prefixes(path) == prefixes


def test_nodes_know_their_shape_module_and_path() -> None:
    inner = Net(lambda net, x: net.conv(x).relu(), conv=nn.Conv2d(2, 3, 1))
    traced = trace(Net(lambda net, x: (net.inner(x), x.size(0))[0], inner=inner).double(), IMAGES)
    nodes = {node.name: node for node in traced.graph.nodes}
    convolution, relu, size = nodes["inner_conv"], nodes["relu"], nodes["size"]
    assert shape_of(convolution) == (3, 3, 6, 6)
    assert shape_of(size) is None
    assert called_module(convolution, traced) is inner.conv
    assert called_module(relu, traced) is None
    assert [module_path(node) for node in (convolution, relu, size)] == ["inner.conv", "inner", ""]


def _add_in_place(x: Tensor) -> Tensor:
    x += 1
    return x


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda net, x: net.relu(x), True),
        (lambda net, x: x.relu_(), True),
        (lambda net, x: _add_in_place(x), True),
        (lambda net, x: torch.nn.functional.hardswish(x, inplace=True), True),
        (lambda net, x: x.relu() + 1, False),
    ],
)
def test_operations_in_place(run: object, expected: bool) -> None:
    traced = trace(Net(lambda net, x: run(net, x * 2), relu=nn.ReLU(inplace=True)), IMAGES)  # type: ignore[operator]
    assert any(in_place(node, traced) for node in traced.graph.nodes) == expected


def test_the_last_use_of_what_comes_before_each_node() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        y = net.conv(x)  # 1, after the input
        z = y.relu()  # 2
        return z + y  # type: ignore[no-any-return]  # 3, returned by 4

    traced = trace(Net(run, conv=nn.Conv2d(2, 2, 1)).double(), IMAGES)
    nodes = list(traced.graph.nodes)
    assert last_live_use(nodes) == [-1, 1, 3, 3, 4]
