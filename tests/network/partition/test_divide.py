from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from emopms.errors import NetworkError
from emopms.network.partition.divide import SplitPointError, divide, require_same_function

from ..chains import Case, cases
from ..networks import IMAGES, Net, examples, randomise

if TYPE_CHECKING:
    from collections.abc import Sequence


def staged() -> Net:
    def stage(incoming: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(incoming, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())

    network = Net(
        lambda net, x: net.head(F.relu(net.stage2(net.stage1(net.stem(x)))).flatten(1)),
        stem=nn.Conv2d(2, 3, 1),
        stage1=stage(3),
        stage2=stage(4),
        head=nn.Linear(144, 3),
        unused=nn.Linear(2, 2),
    )
    randomise(network, 0)
    return network


def compose(network: nn.Module, points: Sequence[str], images: torch.Tensor) -> torch.Tensor:
    for part in divide(network, points, images):
        images = part(images)
    return images


@given(cases())
@examples
def test_parts_compose_to_the_network(case: Case) -> None:
    parts = divide(case.network, case.points, case.images)
    assert len(parts) == len(case.points) + 1
    torch.testing.assert_close(compose(case.network, case.points, case.images), case.network(case.images))
    owned = [name for part in parts for name, _ in part.named_parameters()]
    assert sorted(owned) == sorted(name for name, _ in case.network.named_parameters())


@pytest.mark.parametrize("points", [[], ["stem"], ["stage1.1"], ["stem", "stage1", "stage2"], ["stage1.0", "stage2.0"]])
def test_any_module_may_be_a_split_point(points: list[str]) -> None:
    network = staged()
    torch.testing.assert_close(compose(network, points, IMAGES), network(IMAGES))


def test_parts_share_parameters_with_the_network() -> None:
    network = staged()
    first, second = divide(network, ["stage1"], IMAGES)
    assert first.get_parameter("stage1.0.weight") is network.get_parameter("stage1.0.weight")
    assert second.get_parameter("head.weight") is network.get_parameter("head.weight")
    assert not any(name.startswith("head") for name, _ in first.named_parameters())


def test_what_follows_a_split_point_in_its_parent_goes_to_the_next_part() -> None:
    _, second = divide(staged(), ["stage2"], IMAGES)
    assert [node.name for node in second.graph.nodes][:2] == ["x", "relu"]


def test_a_module_that_runs_twice_is_left_behind_once_it_ran_last() -> None:
    network = Net(
        lambda net, x: net.scores(net.mid(net.act(net.conv(net.act(x)))).flatten(1)),
        act=nn.ReLU(),
        conv=nn.Conv2d(2, 4, 3),
        mid=nn.Conv2d(4, 4, 3),
        scores=nn.Linear(16, 3),
    ).double()
    first, _ = divide(network, ["act"], IMAGES)
    assert [node.name for node in first.graph.nodes] == ["x", "act", "conv", "act_1", "output"]


@pytest.mark.parametrize(
    ("points", "index", "hint"),
    [
        (["stage1", "stagee2"], 1, "Did you mean 'stage2'?"),
        (["stage1.9"], 0, "Available: head, stage1, stage1.0"),
        (["steem", "stage1"], 0, "Did you mean 'stem'?"),
    ],
)
def test_an_unknown_split_point_is_named_with_the_nearest_one(points: list[str], index: int, hint: str) -> None:
    with pytest.raises(SplitPointError, match="no module") as caught:
        divide(staged(), points, IMAGES)
    assert caught.value.index == index
    assert repr(points[index]) in caught.value.message
    assert hint in caught.value.remedy


def test_a_module_that_does_not_run_is_refused_and_not_suggested() -> None:
    with pytest.raises(SplitPointError, match="'unused'") as caught:
        divide(staged(), ["unused"], IMAGES)
    assert "unused" not in caught.value.remedy


@pytest.mark.parametrize(
    ("points", "index"),
    [(["stage2", "stage1"], 1), (["stage1", "stage1"], 1), (["stage1", "stage1.2"], 1), (["stem", "head"], 1)],
)
def test_split_points_in_the_wrong_order_or_at_the_end_are_refused(points: list[str], index: int) -> None:
    with pytest.raises(SplitPointError, match="leaves nothing between") as caught:
        divide(staged(), points, IMAGES)
    assert caught.value.index == index
    assert repr(points[index]) in caught.value.message
    assert "order of the forward pass" in caught.value.remedy


def test_a_skip_connection_across_a_split_is_named() -> None:
    def run(net: Any, x: Any) -> Any:
        x = net.early(x)
        return net.late(net.middle(x) + x)

    network = Net(run, early=nn.Conv2d(2, 4, 1), middle=nn.Conv2d(4, 4, 1), late=nn.Conv2d(4, 3, 1)).double()
    with pytest.raises(NetworkError, match="'early'") as caught:
        divide(network, ["middle"], IMAGES)
    assert "skip" in caught.value.remedy


def test_an_input_that_skips_over_a_split_is_refused() -> None:
    network = Net(lambda net, x: net.b(net.a(x)) + x, a=nn.Conv2d(2, 4, 1), b=nn.Conv2d(4, 2, 1)).double()
    with pytest.raises(NetworkError, match="crosses the split"):
        divide(network, ["a"], IMAGES)


def test_a_split_point_that_hands_on_no_tensor_is_refused() -> None:
    both = Net(lambda net, x: torch.chunk(net.conv(x), 2, 1), conv=nn.Conv2d(2, 4, 1))
    network = Net(lambda net, x: net.last(net.both(x)[0]), both=both, last=nn.Conv2d(2, 3, 1)).double()
    with pytest.raises(NetworkError, match="not one tensor"):
        divide(network, ["both"], IMAGES)


class _Quietly(nn.Module):
    """Works in place, and does not say so."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu_()


@pytest.mark.parametrize("first", [nn.Dropout(0.5), nn.Identity(), nn.Flatten(1, 1)])
@pytest.mark.parametrize("then", [nn.ReLU(inplace=True), _Quietly()])
def test_what_enters_a_part_is_left_alone_under_whatever_name(first: nn.Module, then: nn.Module) -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 1), first, then, nn.Conv2d(3, 4, 1)).double().eval()
    _, second = divide(network, ["1"], IMAGES)
    features = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    before = features.clone()
    second(features)
    assert torch.equal(features, before)


def test_images_come_first_where_a_split_is() -> None:
    network = Net(
        lambda net, x: net.b(net.turn(net.a(x.flatten(2))).transpose(0, 1)).mean(1),
        a=nn.Linear(36, 5),
        turn=Net(lambda _, x: x.transpose(0, 1)),
        b=nn.Linear(5, 3),
    ).double()
    with pytest.raises(NetworkError, match=r"has shape \[2, 3, 5\] for 3 images"):
        divide(network, ["turn"], IMAGES)


def test_in_place_statements_are_recorded_as_such() -> None:
    def run(net: Any, x: Any) -> Any:
        y = x = net.a(x)
        y += net.b(x)
        y *= 2
        return x.flatten(1)

    network = Net(run, a=nn.Conv2d(2, 4, 3), b=nn.Conv2d(4, 4, 1)).double()
    (whole,) = divide(network, [], IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(whole(IMAGES), network(IMAGES))


def test_a_division_that_composes_to_something_else_is_refused() -> None:
    network = staged()
    parts = divide(network, ["stage1"], IMAGES)
    require_same_function(network, parts, ["stage1"], IMAGES)
    other = divide(staged(), ["stage1"], IMAGES)
    with torch.no_grad():
        next(other[1].parameters()).add_(1e-3)
    with pytest.raises(NetworkError, match="do not compose"):
        require_same_function(network, [parts[0], other[1]], ["stage1"], IMAGES)
