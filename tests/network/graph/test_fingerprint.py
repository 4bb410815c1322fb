"""A hash of what a network computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from emopms.network.graph.fingerprint import graph_fingerprint
from emopms.network.partition.divide import divide

if TYPE_CHECKING:
    from collections.abc import Sequence


class Net(nn.Module):
    def __init__(
        self, *, width: int = 4, slope: float = 0.1, twice: bool = False, table: float = 1.0, name: str = "first"
    ) -> None:
        super().__init__()
        self.add_module(name, nn.Conv2d(1, width, 3))
        self.second = nn.Conv2d(width, 2, 3)
        self.slope, self.twice, self.name = slope, twice, name
        self.register_buffer("table", torch.full((2, 1, 1), table), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.leaky_relu(self.get_submodule(self.name)(x), self.slope)
        x = self.second(x) * self.table
        return (x + x if self.twice else x).mean((2, 3))


def fingerprint(network: nn.Module, points: Sequence[str] = (), *, values: bool = False) -> str:
    return graph_fingerprint(network, divide(network.eval(), points, torch.randn(2, 1, 8, 8)), values=values)


def test_values_and_cuts_do_not_matter() -> None:
    expected = fingerprint(Net())
    assert fingerprint(Net()) == expected, "other random weights"
    assert fingerprint(Net(), ["first"]) == expected


@pytest.mark.parametrize("change", [{"width": 5}, {"slope": 0.2}, {"twice": True}, {"table": 2.0}, {"name": "other"}])
def test_everything_else_does(change: dict[str, Any]) -> None:
    assert fingerprint(Net(**change)) != fingerprint(Net())


def test_values_matter_where_they_are_asked_for() -> None:
    torch.manual_seed(0)
    one = Net()
    torch.manual_seed(0)
    again = Net()
    assert fingerprint(one, values=True) == fingerprint(again, values=True)
    with torch.no_grad():
        again.second.weight[0] += 1
    assert fingerprint(one, values=True) != fingerprint(again, values=True)
