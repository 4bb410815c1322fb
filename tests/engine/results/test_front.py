"""Fronts: their files, and their dense point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.engine.results.front import Front, RankedFront
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from emopms.engine.storage.artefact import Artefact, Workspace

DENSE = np.ones(3, dtype=np.bool_)
PRUNED = np.array([[True, False, True], [True, True, False]])
OBJECTIVES = np.array([[0.5, 20.0], [0.7, 10.0]])
DENSE_OBJECTIVES = np.array([0.9, 30.0])


def test_a_front_comes_back_from_its_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    Front(PRUNED, OBJECTIVES).save(out)
    artefact = stored()
    assert artefact.files == ["front.npz"]
    found = Front.load(artefact)
    np.testing.assert_array_equal(found.genomes, PRUNED)
    np.testing.assert_array_equal(found.objectives, OBJECTIVES)
    assert found.genomes.dtype == np.bool_
    assert found.objectives.dtype == np.float64


def test_a_file_with_other_arrays_is_refused(out: Workspace, stored: Callable[[], Artefact]) -> None:
    out.save_arrays("schemes", genomes=PRUNED)
    with pytest.raises(StoreError, match=r"front\.npz cannot be read"):
        Front.load(stored())


def test_a_dominated_dense_point_is_added_in_the_last_row() -> None:
    front = Front.with_dense(PRUNED, OBJECTIVES, DENSE, DENSE_OBJECTIVES)
    assert front.dense == 2
    np.testing.assert_array_equal(front.genomes[front.dense], DENSE)
    np.testing.assert_array_equal(front.objectives[front.dense], DENSE_OBJECTIVES)
    np.testing.assert_array_equal(front.genomes[front.pruned], PRUNED)


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_dense_point_on_the_front_moves_to_the_last_row(row: int) -> None:
    genomes = np.insert(PRUNED, row, DENSE, axis=0)
    objectives = np.insert(OBJECTIVES, row, DENSE_OBJECTIVES, axis=0)
    front = Front.with_dense(genomes, objectives, DENSE, DENSE_OBJECTIVES)
    np.testing.assert_array_equal(front.genomes, [*PRUNED, DENSE])
    np.testing.assert_array_equal(front.objectives, [*OBJECTIVES, DENSE_OBJECTIVES])


def test_a_front_may_consist_of_the_dense_point_alone() -> None:
    front = Front.with_dense(DENSE[None], DENSE_OBJECTIVES[None], DENSE, DENSE_OBJECTIVES)
    assert front.dense == 0
    assert len(front.genomes[front.pruned]) == 0


def test_ranked_fronts_of_several_searches_share_an_artefact(out: Workspace, stored: Callable[[], Artefact]) -> None:
    first = RankedFront(np.array([[False, True], [True, True]]), np.array([0.3, 0.0]), np.array([[4.0], [8.0]]))
    boundaries = RankedFront(DENSE[None], np.zeros(1), np.array([[30.0]]))
    first.save(out, "1")
    boundaries.save(out, "boundaries")
    artefact = stored()
    assert artefact.files == ["front-1.npz", "front-boundaries.npz"]
    for search, expected in (("1", first), ("boundaries", boundaries)):
        found = RankedFront.load(artefact, search)
        for field, values in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, field), values)
            assert getattr(found, field).dtype == values.dtype
    assert RankedFront.load(artefact, "1").dense == 1


def test_rankers_receive_impairments_and_costs() -> None:
    front = RankedFront(PRUNED, np.array([0.2, 0.0]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert front.sub_front.impairment is front.impairment
    assert front.sub_front.costs is front.costs
