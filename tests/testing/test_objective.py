from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import torch

from emopms.api import Cost, Objective
from emopms.testing import ObjectiveConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.api import Task

CALLS = count()


def objective(evaluate: Any, base: Any = Objective) -> Any:
    return component(base, evaluate=lambda self, genomes, task: evaluate(genomes, task))


def kept(genomes: Any, task: Any) -> Any:
    return genomes.sum(axis=1).astype(float)


def with_effect(effect: Any) -> Any:
    """An objective that is right but for what it does to what it was given."""

    def evaluate(genomes: Any, task: Task) -> Any:
        values = kept(genomes, task)
        with torch.inference_mode():
            effect(genomes, task)
        return values

    return objective(evaluate)


SHAPE, ALONE = "gives_one_finite_number_a_candidate", "a_value_depends_on_its_candidate_alone"
KEEPS, ADDED = "changes_neither_candidates_nor_task", "a_cost_never_falls_as_channels_are_added"
NEVER, SUMS = "a_cost_is_never_negative", "costs_add_up_over_subnetworks"
BROKEN = [
    Broken(SHAPE, objective(lambda g, t: kept(g, t)[:, None]), r"an array of float64 \[1, 1\] for 1 candidates"),
    Broken(SHAPE, objective(lambda g, t: kept(g, t).mean(keepdims=True)), r"float64 \[1\] for 4 candidates"),
    Broken(SHAPE, objective(lambda g, t: kept(g, t).tolist()), "evaluate returned a list"),
    Broken(SHAPE, objective(lambda g, t: g.sum(axis=1)), "an array of int64"),
    Broken(SHAPE, objective(lambda g, t: np.where(g.all(axis=1), np.nan, 1.0)), "all values must be finite"),
    Broken(SHAPE, objective(lambda g, t: kept(g, t) * (np.inf if t.subnetwork.is_last else 1)), "must be finite"),
    Broken(SHAPE, objective(lambda g, t: kept(g, t) + t.inputs.numpy().mean()), "unsupported ScalarType BFloat16"),
    Broken(ALONE, objective(lambda g, t: kept(g, t) + next(CALLS)), "Evaluated again"),
    Broken(ALONE, objective(lambda g, t: kept(g, t) - kept(g, t).mean()), "Evaluated alone"),
    Broken(ALONE, objective(lambda g, t: np.arange(len(g)) * 1.0), "Evaluated in another order"),
    Broken(KEEPS, with_effect(lambda g, t: g.fill(False)), "changed the genomes"),
    Broken(KEEPS, with_effect(lambda g, t: t.inputs.mul_(2)), r"changed task\.inputs"),
    Broken(KEEPS, with_effect(lambda g, t: t.labels.zero_()), r"changed task\.labels"),
    Broken(KEEPS, with_effect(lambda g, t: t.subnetwork.module.train()), "changed the sub-network .*mode of"),
    Broken(KEEPS, with_effect(lambda g, t: t.subnetwork.module.half()), r"changed the sub-network .*\.weight"),
    Broken(KEEPS, with_effect(lambda g, t: t.criterion.train()), "changed the criterion"),
    Broken(NEVER, objective(lambda g, t: -kept(g, t), Cost), "a cost is at least 0"),
    Broken(ADDED, objective(lambda g, t: 100 - kept(g, t), Cost), "never cost less"),
    Broken(SUMS, objective(lambda g, t: kept(g, t) / g.shape[1], Cost), "return absolute costs, not shares"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(ObjectiveConformance, tmp_path)


@pytest.mark.parametrize("base", [Objective, Cost])
def test_of_what_is_measured_no_two_values_are_compared(base: Any) -> None:
    class Timed(base):  # type: ignore[misc]
        measured: ClassVar[bool] = True

    class Measured(ObjectiveConformance):
        component = objective(lambda g, t: np.random.default_rng(next(CALLS)).random(len(g)), Timed)

    suite = Measured()
    suite.test_a_value_depends_on_its_candidate_alone()
    suite.test_a_cost_is_never_negative()
    suite.test_a_cost_never_falls_as_channels_are_added()
    suite.test_costs_add_up_over_subnetworks()
