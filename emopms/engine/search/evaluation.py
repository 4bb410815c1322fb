"""Evaluation of candidates by the objectives. If one candidate cannot be evaluated, the others are still evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from emopms.engine.support.component_calls import guarded_call
from emopms.engine.support.machine_failures import is_passing
from emopms.errors import ComponentError, EmopmsError, RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emopms.api import Objective, Task


@dataclass(frozen=True)
class Evaluations:
    """The objectives of some candidates, and why the first of them failed."""

    values: NDArray[np.float64]
    """Objectives [n, m] of the candidates. If a candidate failed, all its objectives are NaN."""
    cause: str = ""
    """The reason why the first of the failed candidates failed; empty if no candidate failed."""


class CandidateEvaluation(Protocol):
    """The interface of classes that compute the objectives of candidates."""

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Return the objectives [n, m] of genomes [n, genes]."""


def failures(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether the evaluation of each candidate [n] failed: one of its objectives [n, m] is NaN."""
    return np.asarray(np.isnan(values).any(axis=1))


class ObjectiveEvaluation:
    """Evaluates candidates of one sub-network by several objectives.

    Args:
        task: The search task of a sub-network.
        objectives: The objectives, in the order of the columns of the results.
    """

    def __init__(self, task: Task, objectives: Sequence[Objective]) -> None:
        self._task, self._objectives = task, objectives

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Return the objectives [n, m] of genomes [n, genes].

        If an objective raises an error or runs out of memory, it is called again with one candidate at a time. A
        candidate fails if this second call raises an error, or if an objective returns a value for the candidate that
        is not finite.

        Raises:
            RunError: An objective returned an array of the wrong shape.
            ComponentError: The cause is the machine, such as a full disk, and not the candidate (see `is_passing`).
        """
        genomes = genomes.copy()
        genomes.flags.writeable = False  # all objectives see the same candidates
        values, cause = np.empty((len(genomes), len(self._objectives))), ""
        for column, objective in enumerate(self._objectives):
            values[:, column], why = _evaluate_by(objective, genomes, self._task)
            cause = cause or why
        values[failures(values)] = np.nan
        return Evaluations(values, cause)


class WrongShapeError(RunError):
    """An objective returned an array of the wrong shape or type, which is no fault of a candidate."""


def values_by(objective: Objective, genomes: NDArray[np.bool_], task: Task) -> NDArray[np.float64]:
    """Return the values [n] of one objective for genomes [n, genes]. Some may be NaN or infinite.

    Raises:
        WrongShapeError: The objective returned an array of the wrong shape or type.
        EmopmsError: The objective raised an error.
    """
    with guarded_call(objective, "evaluate candidates"):
        found = np.ma.asarray(objective.evaluate(genomes, task))
    if found.shape != (len(genomes),) or found.dtype.kind not in "biuf":
        raise WrongShapeError(
            f"Objective {objective.name!r} returned shape {found.shape} of {found.dtype} "
            f"for {len(genomes)} candidates.",
            remedy="Its evaluate must return one real number a candidate.",
        )
    return np.ma.filled(found.astype(np.float64), np.nan)  # a plugin may mask unknown values


def _evaluate_by(objective: Objective, genomes: NDArray[np.bool_], task: Task) -> tuple[NDArray[np.float64], str]:
    """Return the values [n] of one objective for n candidates (NaN if a candidate fails), and why the first of them
    failed."""
    try:
        values = values_by(objective, genomes, task)
    except WrongShapeError:
        raise
    except EmopmsError as error:
        if is_passing(error):
            raise
        if len(genomes) == 1:
            named = isinstance(error, ComponentError)
            return np.array([np.nan]), error.message if named else f"Objective {objective.name!r}: {error.message}"
        alone = [_evaluate_by(objective, genomes[i : i + 1], task) for i in range(len(genomes))]
        return np.concatenate([value for value, _ in alone]), next((why for _, why in alone if why), "")
    broken = ~np.isfinite(values)
    if not broken.any():
        return values, ""
    why = f"Objective {objective.name!r} returned {values[broken][0]}."
    values[broken] = np.nan
    return values, why
