"""Evaluating candidates by the objectives. A candidate that cannot be evaluated fails alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from emopms.engine.support.component_calls import guarded_call, is_passing
from emopms.errors import ComponentError, EmopmsError, RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emopms.api import Objective, Task


@dataclass(frozen=True)
class Evaluations:
    """Objectives of some candidates."""

    values: NDArray[np.float64]
    """[n, m]; a candidate that failed has NaN in all of them."""
    cause: str = ""
    """Why the first of those that failed did so."""


class CandidateEvaluation(Protocol):
    """A way to evaluate candidates."""

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Evaluate genomes [n, genes]."""


def failures(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which candidates [n] failed, by their objectives [n, m]."""
    return np.asarray(np.isnan(values).any(axis=1))


class ObjectiveEvaluation:
    """Evaluates candidates of one task by several objectives."""

    def __init__(self, task: Task, objectives: Sequence[Objective]) -> None:
        self._task, self._objectives = task, objectives

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Ask all objectives about genomes [n, genes].

        Where an objective raises, or runs out of memory, it gets the candidates again one by one: only those fail
        that it cannot evaluate, and those for which it returns what is not finite.

        Raises:
            RunError: An objective returned the wrong shape.
            ComponentError: The machine failed and not the candidate (see `is_passing`): the disk is full, say.
        """
        genomes = genomes.copy()
        genomes.flags.writeable = False  # all objectives see the same candidates
        values, cause = np.empty((len(genomes), len(self._objectives))), ""
        for column, objective in enumerate(self._objectives):
            values[:, column], why = _evaluate_by(objective, genomes, self._task)
            cause = cause or why
        values[failures(values)] = np.nan
        return Evaluations(values, cause)


def _evaluate_by(objective: Objective, genomes: NDArray[np.bool_], task: Task) -> tuple[NDArray[np.float64], str]:
    """Return one objective's values [n], NaN for candidates that fail, and why the first of these does."""
    try:
        with guarded_call(objective, "evaluate candidates"):
            found = np.ma.asarray(objective.evaluate(genomes, task))
    except EmopmsError as error:
        if is_passing(error):
            raise
        if len(genomes) == 1:
            named = isinstance(error, ComponentError)
            return np.array([np.nan]), error.message if named else f"Objective {objective.name!r}: {error.message}"
        alone = [_evaluate_by(objective, genomes[i : i + 1], task) for i in range(len(genomes))]
        return np.concatenate([value for value, _ in alone]), next((why for _, why in alone if why), "")
    if found.shape != (len(genomes),) or found.dtype.kind not in "biuf":
        raise RunError(
            f"Objective {objective.name!r} returned shape {found.shape} of {found.dtype} "
            f"for {len(genomes)} candidates.",
            remedy="Its evaluate must return one real number a candidate.",
        )
    values = np.ma.filled(found.astype(np.float64), np.nan)  # a plugin masks what it does not know
    broken = ~np.isfinite(values)
    if not broken.any():
        return values, ""
    why = f"Objective {objective.name!r} returned {values[broken][0]}."
    values[broken] = np.nan
    return values, why
