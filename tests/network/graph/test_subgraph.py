from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from emopms.network.graph.subgraph import bare_part_of, part_of
from emopms.network.graph.trace import trace

from ..networks import IMAGES, Net

if TYPE_CHECKING:
    from collections.abc import Callable


def network(middle: Callable[[Tensor], Tensor]) -> Net:
    return Net(
        lambda net, x: net.second(middle(net.first(x))), first=nn.Conv2d(2, 4, 1), second=nn.Conv2d(4, 3, 1)
    ).double()


def behind_first(run: Net, make: Callable[..., Any]) -> Any:
    traced = trace(run, IMAGES)
    nodes = list(traced.graph.nodes)
    (start,) = [index for index, node in enumerate(nodes) if node.target == "first"]
    return make(traced, nodes[start], nodes[start + 1 : -1], nodes[-2])


@torch.no_grad()
def test_a_part_computes_the_rest_with_the_same_layers() -> None:
    run = network(torch.relu)
    part = behind_first(run, part_of)
    assert part.second is run.second
    torch.testing.assert_close(part(run.first(IMAGES)), run(IMAGES), rtol=0, atol=0)  # type: ignore[operator]


def _through_a_view(x: Tensor) -> Tensor:
    x.view(-1).mul_(2)
    return x


@pytest.mark.parametrize("middle", [torch.relu_, _through_a_view])
@torch.no_grad()
def test_only_a_bare_part_overwrites_its_input(middle: Callable[[Tensor], Tensor]) -> None:
    features = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    before = features.clone()
    part = behind_first(network(middle), part_of)
    found = part(features)
    assert torch.equal(features, before)
    bare = behind_first(network(middle), bare_part_of)
    assert any(node.target == "clone" for node in part.graph.nodes)
    assert not any(node.target == "clone" for node in bare.graph.nodes)
    bare(features)
    assert not torch.equal(features, before)
    assert found.shape == (3, 3, 6, 6)


@torch.no_grad()
def test_parameters_that_were_read_before_are_read_again() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        weight = net.scale
        return net.second(net.first(x) * weight)  # type: ignore[no-any-return]

    whole = Net(run, first=nn.Conv2d(2, 4, 1), second=nn.Conv2d(4, 3, 1))
    whole.scale = nn.Parameter(torch.tensor(2.0))
    part = behind_first(whole.double(), part_of)
    torch.testing.assert_close(part(whole.first(IMAGES)), whole(IMAGES), rtol=0, atol=0)  # type: ignore[operator]
