"""Evaluation by objectives: candidates fail alone, failures of the machine end the search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from emopms.api import Objective
from emopms.builtin.objective.macs import Macs
from emopms.engine.search.evaluation import ObjectiveEvaluation, failures
from emopms.errors import ComponentError, RunError

from .fakes import Fails, Machine, Misshapen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import Task


def _genomes(task: Task) -> NDArray[np.bool_]:
    """Four genomes, of which the second and the fourth lack the last channel."""
    genomes = np.tile(task.subnetwork.dense, (4, 1))
    genomes[[1, 3], -1] = False
    genomes[2:, 0] = False
    return genomes


def test_objectives_are_columns_in_their_order(task: Task) -> None:
    genomes = _genomes(task)
    found = ObjectiveEvaluation(task, (Fails(how="never"), Macs())).evaluate(genomes)
    np.testing.assert_array_equal(found.values[:, 0], genomes.mean(axis=1))
    np.testing.assert_array_equal(found.values[:, 1], task.subnetwork.costs.macs(genomes))
    assert found.cause == ""
    assert not failures(found.values).any()


@pytest.mark.parametrize("how", ["raises", "no memory", "nan", "inf", "masked"])
def test_a_candidate_that_fails_has_no_objective_at_all(task: Task, how: str) -> None:
    found = ObjectiveEvaluation(task, (Macs(), Fails(how=how))).evaluate(_genomes(task))
    assert failures(found.values).tolist() == [False, True, False, True]
    assert np.isnan(found.values[[1, 3]]).all()
    assert np.isfinite(found.values[[0, 2]]).all()


def test_the_first_cause_is_kept(task: Task) -> None:
    found = ObjectiveEvaluation(task, (Fails(how="inf"), Fails(how="raises"))).evaluate(_genomes(task))
    assert found.cause == "Objective 'fails' returned inf."


class Writes(Objective):
    """Changes the genomes that it is given."""

    name: Literal["writes"] = "writes"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        genomes[:] = True
        return np.zeros(len(genomes))


def test_objectives_cannot_change_the_candidates(task: Task) -> None:
    genomes = _genomes(task)
    before = genomes.copy()
    found = ObjectiveEvaluation(task, (Writes(), Macs())).evaluate(genomes)
    assert "read-only" in found.cause
    assert genomes.flags.writeable
    np.testing.assert_array_equal(genomes, before)


@pytest.mark.parametrize("how", ["disk full", "cause", "closed stream", "exit"])
def test_a_failure_of_the_machine_is_raised(task: Task, how: str) -> None:
    with pytest.raises(ComponentError, match="'machine'"):
        ObjectiveEvaluation(task, (Machine(how=how),)).evaluate(_genomes(task))


@pytest.mark.parametrize(("complex_", "what"), [(False, r"shape \(1, 2\)"), (True, "complex128")])
def test_an_objective_that_returns_the_wrong_shape_is_named(task: Task, complex_: bool, what: str) -> None:
    with pytest.raises(RunError, match=f"'misshapen' returned .*{what}"):
        ObjectiveEvaluation(task, (Misshapen(complex=complex_),)).evaluate(task.subnetwork.dense[None, :])


def test_integers_and_booleans_are_numbers_too(task: Task) -> None:
    class Whole(Objective):
        name: Literal["whole"] = "whole"

        def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
            return genomes[:, -1]

    found = ObjectiveEvaluation(task, (Whole(),)).evaluate(_genomes(task))
    assert found.values.dtype == np.float64
    assert found.values[:, 0].tolist() == [1.0, 0.0, 1.0, 0.0]
