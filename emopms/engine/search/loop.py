"""The search of one sub-network: ask, judge, tell; nothing is judged twice, everything is logged.

An interrupted search continues by replay: the seeded algorithm asks the same questions again, and those already
answered are answered from the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.api import SearchSpace
from emopms.engine.search.evaluation import failures
from emopms.engine.support.component_calls import guarded_call, validate_array
from emopms.errors import RunError
from emopms.pareto import nondominated

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from emopms.api import Algorithm, Sampling, Task
    from emopms.engine.search.cache import EvaluationCache
    from emopms.network.channels.encoding import Encoding
    from emopms.network.partition.subnetwork import SubNetwork

    Start = Callable[[int, np.random.Generator], NDArray[np.bool_]]
    """Draws so many genomes [n, genes] for a search to begin with."""


@dataclass(frozen=True)
class Generation:
    """How a search stands after a generation, over everything asked so far."""

    number: int
    """From 1."""
    asked: int
    """Candidates that were to be judged; all but `evaluations` of them were known already."""
    evaluations: int
    failed: int
    """Of the evaluations: candidates that could not be judged."""
    genomes: NDArray[np.bool_]
    """The front: non-dominated genomes [p, genes]."""
    objectives: NDArray[np.float64]
    """Theirs [p, m]."""


def drawn_by(sampling: Sampling, task: Task) -> Start:
    """The start that a sampling draws."""

    def start(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        with guarded_call(sampling, "sample candidates"):
            found = sampling.sample(task.subnetwork, task.inputs, count, rng)
            validate_array(found, "booleans", None, task.subnetwork.channels.genes)
            return found

    return start


def evolve(
    sub: SubNetwork,
    coding: Encoding,
    *,
    cache: EvaluationCache,
    start: Start,
    algorithm: Algorithm,
    seed: int,
    on_generation: Callable[[Generation], None] = lambda _: None,
) -> Generation:
    """Search one sub-network.

    Args:
        coding: What the algorithm sees of genomes.
        memory: Judges genomes; may know some already.
        on_generation: Called after each.

    Returns:
        The last generation. Its front holds the dense genome wherever nothing dominates it.

    Raises:
        RunError: Everything in a generation failed, or an objective returned the wrong shape.
    """
    rng = np.random.default_rng(seed)
    front = _Front(sub.dense[None, :], _evaluate(cache, sub.dense[None, :], "the dense sub-network"))
    space = SearchSpace(
        genes=coding.bits,
        objectives=front.objectives.shape[1],
        sample=lambda count: coding.encode(start(count, rng)),
        repair=coding.repair,
    )
    with guarded_call(algorithm, "begin its search"):
        search = algorithm.start(space, seed=seed % 2**32)
    state, candidates = None, 1
    for number in range(1, algorithm.generations + 1):
        with guarded_call(algorithm, "ask for candidates"):
            asked = search.ask()
            validate_array(asked, "booleans", None, space.genes)
            if not len(asked):
                break  # a small space is exhausted: everything in it has been evaluated
        candidates += len(asked)
        genomes = coding.decode(asked)
        found = _evaluate(cache, genomes, f"all {len(genomes)} candidates of generation {number}")
        with guarded_call(algorithm, "take in objectives"):
            search.tell(front.take(genomes, found))
        state = Generation(number, candidates, cache.evaluations, cache.failed, front.genomes, front.objectives)
        on_generation(state)
    if state is None:
        raise RunError(f"Algorithm {algorithm.name!r} asked for nothing in its first generation.")
    return state


def _evaluate(cache: EvaluationCache, genomes: NDArray[np.bool_], which: str) -> NDArray[np.float64]:
    """Objectives [n, m], NaN for those that failed, of which there must be others."""
    values = cache(genomes)
    if failures(values).all():
        raise RunError(
            f"Nothing is left to search: {which} failed. The first cause: {cache.cause}",
            remedy="Mend what the cause names, or leave that objective out; run.log may tell more.",
        )
    return values


class _Front:
    """The non-dominated of all genomes taken in, in the order in which they came."""

    def __init__(self, genomes: NDArray[np.bool_], objectives: NDArray[np.float64]) -> None:
        self.genomes, self.objectives = genomes, objectives
        self._worst = objectives.max(axis=0)

    def take(self, genomes: NDArray[np.bool_], objectives: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take in genomes with their objectives [n, m]; returns these with numbers for those that failed: the largest
        seen of each objective, so that everything else is at least as good in all of them."""
        failed = failures(objectives)
        self._worst = np.maximum(self._worst, objectives[~failed].max(axis=0))
        values = np.concatenate([self.objectives, objectives[~failed]])
        front = nondominated(values)
        self.genomes = np.concatenate([self.genomes, genomes[~failed]])[front]
        self.objectives = values[front]
        return np.where(failed[:, None], self._worst, objectives)
