from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from emopms.builtin.backbone.resnet_cifar import ResNetCifar
from emopms.builtin.backbone.vgg_cifar import VggCifar
from emopms.builtin.split.blocks import Blocks
from emopms.builtin.split.even import Even
from emopms.errors import NetworkError
from emopms.network.channels.labels import channels_of
from emopms.network.partition.subnetwork import subnetworks_of

if TYPE_CHECKING:
    from emopms.api import Split

pytestmark = pytest.mark.slow

CIFAR = torch.zeros(2, 3, 32, 32)


def _macs(network: nn.Module, points: list[str], example: torch.Tensor) -> list[int]:
    """Of each part; fails where `subnetworks_of` does."""
    return [int(part.costs.macs(part.dense[None, :])[0]) for part in subnetworks_of(network, points, example)]


@pytest.mark.parametrize("parts", [2, 3, 4, 6])
def test_no_other_division_at_blocks_is_more_even(parts: int) -> None:
    network = ResNetCifar(depth=20, width=4).build(input_shape=(3, 32, 32), classes=10)
    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)][:-1]
    ends = [0, *_cumulated(_macs(network, blocks, CIFAR))]
    least = min(
        sum((b - a) ** 2 for a, b in pairwise([0, *chosen, ends[-1]])) for chosen in combinations(ends[1:-1], parts - 1)
    )
    found = _macs(network, Even(parts=parts).find(network, CIFAR), CIFAR)
    assert len(found) == parts
    assert sum(macs**2 for macs in found) == least


def _cumulated(macs: list[int]) -> list[int]:
    return [sum(macs[: i + 1]) for i in range(len(macs))]


def test_an_even_chain_is_cut_in_the_middle() -> None:
    network = nn.Sequential(nn.Sequential(*(nn.Conv2d(4, 4, 1) for _ in range(8))), nn.Flatten())
    assert Even(parts=2).find(network, torch.zeros(2, 4, 2, 2)) == ["0.3"]
    assert Even(parts=4).find(network, torch.zeros(2, 4, 2, 2)) == ["0.1", "0.3", "0.5"]


def test_what_costs_nothing_stays_with_the_layer_before_it() -> None:
    network = VggCifar().build(input_shape=(3, 32, 32), classes=10)
    points = Even(parts=6).find(network, CIFAR)
    assert all(not isinstance(network.get_submodule(point), nn.Conv2d | nn.BatchNorm2d) for point in points)
    assert "stage2" in points  # with its pooling, not before it
    assert len(_macs(network, points, CIFAR)) == 6


def test_no_part_is_left_without_anything_to_prune() -> None:
    """The second convolution is nearly all of the network, but what leaves a part cannot be pruned."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 1), nn.Conv2d(2, 64, 7, padding=3), nn.Conv2d(64, 2, 1), nn.Conv2d(2, 2, 1), nn.Flatten()
    )
    assert Even(parts=2).find(network, torch.zeros(2, 3, 8, 8)) == ["1"]
    with pytest.raises(NetworkError, match="into 3 parts with something to prune in each, but into 2 at most"):
        Even(parts=3).find(network, torch.zeros(2, 3, 8, 8))


def test_fewer_parts_if_wished() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 2, 1), nn.Conv2d(2, 64, 7, padding=3), nn.Conv2d(64, 2, 1), nn.Conv2d(2, 2, 1), nn.Flatten()
    )
    example = torch.zeros(2, 3, 8, 8)
    assert Even(parts=3, fewer=True).find(network, example) == ["1"]
    assert Even(parts=2, fewer=True).find(network, example) == ["1"]
    whole = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(512, 2))
    assert Even(parts=2, fewer=True).find(whole, example) == []
    with pytest.raises(NetworkError, match="nothing"):
        Even(parts=2, fewer=True).find(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten()), example)


def _pair(hidden: int = 8) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(4, hidden, 1), nn.Conv2d(hidden, 4, 1))


class _Skipping(nn.Module):
    """A connection skips over the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = _pair(), _pair(80), _pair(80), _pair()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.a(x)
        return self.d(x + self.c(self.b(x)))  # type: ignore[no-any-return]


def test_no_connection_skips_over_a_cut() -> None:
    network, example = _Skipping(), torch.zeros(2, 4, 2, 2)
    assert Even(parts=2).find(network, example) == ["a"]
    with pytest.raises(NetworkError, match="2 at most"):
        Even(parts=3).find(network, example)  # the sum is made outside of all modules


def test_no_parameter_is_shared_over_a_cut() -> None:
    layers = [nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 4, 5, padding=2)]
    network, example = nn.Sequential(_pair(), *layers, _pair(), nn.Flatten()), torch.zeros(2, 4, 2, 2)
    assert Even(parts=2).find(network, example) == ["1"]
    layers[1].weight = layers[0].weight
    assert Even(parts=2).find(network, example) == ["0"]


class _Stream(nn.Module):
    """Nothing but a residual stream, which starts and ends in it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(4, 6, 1), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.a(x)
        return self.c(x + self.b(x))  # type: ignore[no-any-return]


@pytest.mark.parametrize("split", [Even(parts=2), Blocks()], ids=["even", "blocks"])
def test_residual_streams_count_where_they_are_pruned(split: Split) -> None:
    network, example = nn.Sequential(_Stream(), _Stream(), nn.Flatten()), torch.zeros(2, 4, 2, 2)
    assert split.find(network, example, prune_residual=True) == ["0"]
    assert len(subnetworks_of(network, ["0"], example, prune_residual=True)) == 2
    with pytest.raises(NetworkError, match=r"but into 1 at most|no two residual blocks"):
        split.find(network, example)


@pytest.mark.parametrize("at", [None, 0, 17, 39])
def test_where_little_can_be_pruned_few_parts_are_looked_at(at: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []

    def counting(part: Any, **options: Any) -> Any:
        looked_at.append(part)
        return channels_of(part, **options)

    monkeypatch.setattr("emopms.network.partition.split_points.channels_of", counting)
    layers: list[nn.Module] = [nn.Sequential(nn.Conv2d(4, 4, 1), nn.Softmax(1)) for _ in range(40)]
    if at is not None:
        layers[at] = _pair()
    with pytest.raises(NetworkError, match="no channel that could be pruned" if at is None else "but into 1 at most"):
        Even(parts=2).find(nn.Sequential(*layers, nn.Flatten()), torch.zeros(2, 4, 2, 2))
    assert len(looked_at) < 60


@pytest.mark.parametrize("parts", [0, 1, 2.5, "4", None])
def test_bad_numbers_of_parts_are_refused(parts: object) -> None:
    with pytest.raises(ValidationError):
        Even.model_validate({"parts": parts})
