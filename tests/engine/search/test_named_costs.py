"""Costs by name, evaluated and counted ones."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from emopms.engine.search.named_costs import cost_names, named_costs
from tests.engine.conftest import tiny


class _Counts:
    def macs(self, genomes: Any) -> Any:
        return genomes.sum(axis=1) * 100

    def params(self, genomes: Any) -> Any:
        return genomes.sum(axis=1) * 10


def test_the_names_of_costs() -> None:
    assert cost_names(tiny(objectives=["macs", "capability", "params"])) == ["macs", "params"]


def test_counted_costs_take_the_place_of_evaluated_ones() -> None:
    genomes = np.array([[True, True], [True, False]])
    evaluated = np.array([[5.0, 199.9], [4.0, 99.9]])
    found = named_costs(["latency", "macs"], evaluated, genomes, cast("Any", _Counts()))
    assert {name: values.tolist() for name, values in found.items()} == {
        "latency": [5.0, 4.0],
        "macs": [200, 100],
        "params": [20, 10],
    }
