"""The base classes of stored results: one file each, read back as the same values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.engine.results.stored import Points, Summary
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True)
class Weighed(Points):
    genomes: NDArray[np.bool_]
    weight: NDArray[np.int64]


@dataclass(frozen=True)
class Counted(Summary):
    _file = "counted"

    number: int
    names: list[str]


def test_the_dense_point_is_in_the_last_row() -> None:
    points = Weighed(np.array([[True, False], [False, True], [True, True]]), np.array([1, 2, 3]))
    assert points.dense == 2
    assert points.weight[points.dense] == 3
    assert points.weight[points.pruned].tolist() == [1, 2]


def test_all_fields_are_arrays_of_one_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    points = Weighed(np.array([[True]]), np.array([7]))
    points._save(out, "weighed")
    artefact = stored()
    assert set(artefact.arrays("weighed")) == {"genomes", "weight"}
    found = Weighed._load(artefact, "weighed")
    assert found.weight.tolist() == [7]
    assert found.genomes.dtype == np.bool_


def test_a_summary_is_one_json_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    Counted(3, ["a", "b"]).save(out)
    artefact = stored()
    assert artefact.json("counted") == {"number": 3, "names": ["a", "b"]}
    assert Counted.load(artefact) == Counted(3, ["a", "b"])


def test_a_missing_file_is_named(stored: Callable[[], Artefact]) -> None:
    with pytest.raises(StoreError, match=r"counted\.json"):
        Counted.load(stored())
