"""Whole networks are evaluated by their loss and their costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emopms.engine.results.score import Score
from emopms.engine.search.evaluation import Evaluations
from emopms.engine.search.network_evaluation import NetworkEvaluation

if TYPE_CHECKING:
    from numpy.typing import NDArray

GENOMES = np.ones((3, 4), dtype=np.bool_)


class _Scorer:
    def __init__(self, *losses: float) -> None:
        self.losses = losses

    def score(self, genomes: NDArray[np.bool_]) -> list[Score]:
        assert genomes is GENOMES
        return [Score(loss, 0.5) for loss in self.losses]


class _Costs:
    def __init__(self, values: Any, cause: str = "") -> None:
        self.found = Evaluations(np.array(values), cause)

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        return self.found


def test_loss_then_costs() -> None:
    found = NetworkEvaluation(_Scorer(0.1, 0.2, 0.3), _Costs([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]])).evaluate(GENOMES)  # type: ignore[arg-type]
    assert found.values.tolist() == [[0.1, 1.0, 5.0], [0.2, 2.0, 6.0], [0.3, 3.0, 7.0]]
    assert found.cause == ""


def test_a_loss_that_is_not_finite_fails() -> None:
    found = NetworkEvaluation(_Scorer(0.1, float("inf"), 0.3), _Costs([[1.0], [2.0], [3.0]])).evaluate(GENOMES)  # type: ignore[arg-type]
    assert np.isnan(found.values).any(axis=1).tolist() == [False, True, False]
    assert found.cause == "The whole network has loss inf."


def test_a_cost_that_fails_says_why() -> None:
    found = NetworkEvaluation(_Scorer(0.1, 0.2, 0.3), _Costs([[1.0], [np.nan], [3.0]], "no room")).evaluate(GENOMES)  # type: ignore[arg-type]
    assert np.isnan(found.values).all(axis=1).tolist() == [False, True, False]
    assert found.cause == "no room"
