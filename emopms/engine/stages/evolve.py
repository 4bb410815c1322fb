"""``evolve/i``: search the i-th sub-network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from loguru import logger

from emopms.api import Cost
from emopms.engine.results.networks import CriteriaState
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.criteria import make_criteria
from emopms.engine.search.evaluation import Evaluations, ObjectiveEvaluation
from emopms.engine.search.log import EvaluationLog
from emopms.engine.search.loop import evolve
from emopms.engine.search.stage_search import search
from emopms.engine.search.start import SampledStart
from emopms.engine.search.task import make_task
from emopms.engine.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer

_TIMED_CANDIDATES = 8
"""Number of random candidates that are evaluated together in a timing."""
_COUNTABLE_LOG10_SPACE = 15
"""Decimal logarithm of a number of candidates. If a search has fewer possible candidates than this number, their number
limits the forecast of its evaluations."""


@dataclass(frozen=True, kw_only=True)
class Evolve(Stage):
    """Searches one sub-network. Its results are a `Front` and a `SearchSummary`."""

    version: ClassVar[int] = 7

    index: int
    """Index of the search, from 0: first the sub-networks, then the boundaries (the channels that cross split
    points)."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Search one sub-network by the spec's objectives on calibration images, and store its front."""
        spec = context.spec
        divided = context.constrained(inputs["constrain"])
        criteria = make_criteria(context, divided.parts, state=CriteriaState.load(inputs["selectors"]).state)
        sub = divided.searched[self.index]
        known = context.boundary_features.take(self.index)
        task = make_task(
            context.image_sets.calibration, divided, sub, criteria, context.device, entering_features=known
        )
        if self.index + 1 < len(divided.parts):
            context.boundary_features.put(self.index + 1, task.references)
        is_cost = [isinstance(objective, Cost) for objective in spec.objectives]
        front = search(
            context,
            self.name,
            sub,
            cache=EvaluationCache(ObjectiveEvaluation(task, spec.objectives), EvaluationLog(out.journal("judged"))),
            start=SampledStart(spec.sampling, task),
            algorithm=spec.algorithm,
            shown=(is_cost.index(False), is_cost.index(True)),
            out=out,
        )
        front.save(out)
        for note in task.precision_notes():
            logger.debug("{}: candidates are run {}", self.name, note)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to compute the features, to evaluate all candidates, and to run the search
        algorithm."""
        features = timer.forward(context.spec.data.calibration)
        evaluations = max_evaluations(context, parts[self.index]) * self._seconds_per_evaluation(context, timer)
        return features + evaluations + self._seconds_of_algorithm(context, timer)

    def _seconds_per_evaluation(self, context: Context, timer: WorkTimer) -> float:
        """Return the seconds to evaluate one candidate on all calibration images."""
        spec, device, divided = context.spec, context.device, timer.divided
        sub = divided.searched[self.index]
        encoding = context.encoding(sub)
        inputs = make_task(timer.images(2), divided, sub, timer.criteria, device).inputs
        drawn = encoding.encode(spec.sampling.sample(sub, inputs, _TIMED_CANDIDATES, timer.rng))
        genomes = np.unique(encoding.decode(drawn), axis=0)

        def prepare(size: int) -> Callable[[], object]:
            task = make_task(timer.images(size), divided, sub, timer.criteria, device)
            evaluation = ObjectiveEvaluation(task, spec.objectives)
            return lambda: evaluation.evaluate(genomes)

        return timer.stopwatch.seconds(prepare, spec.data.calibration) / len(genomes)

    def _seconds_of_algorithm(self, context: Context, timer: WorkTimer) -> float:
        """Return the seconds of the whole search without the evaluations of candidates."""
        spec = context.spec
        sub = timer.divided.searched[self.index]
        task = make_task(timer.images(2), timer.divided, sub, timer.criteria, context.device)
        evaluation = _RandomEvaluation(timer.rng, len(spec.objectives))

        def prepare(generations: int) -> Callable[[], object]:
            return lambda: evolve(
                sub,
                context.encoding(sub),
                cache=EvaluationCache(evaluation),
                start=SampledStart(spec.sampling, task),
                algorithm=spec.algorithm.model_copy(update={"generations": generations}),
                seed=0,
            )

        return timer.stopwatch.seconds(prepare, spec.algorithm.generations)


def max_evaluations(context: Context, part: PartSummary) -> int:
    """Return the maximum number of candidates of a search: the unpruned sub-network, and the candidates of all
    generations."""
    algorithm = context.spec.algorithm
    asked = 1 + algorithm.pop_size * algorithm.generations
    return min(asked, round(10**part.log10_space)) if part.log10_space < _COUNTABLE_LOG10_SPACE else asked


class _RandomEvaluation:
    """Returns random objectives in almost no time, to time the algorithm alone."""

    def __init__(self, rng: np.random.Generator, objectives: int) -> None:
        self._rng, self._objectives = rng, objectives

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Return random objectives [n, m] of genomes [n, genes]."""
        return Evaluations(self._rng.random((len(genomes), self._objectives)))
