"""The search loop: ask the algorithm for candidates, evaluate them, and tell it their objectives.

An interrupted search resumes by replay: the seeded algorithm asks for the same candidates again, and the evaluation
cache answers from its log.
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

    from emopms.api import Algorithm
    from emopms.engine.search.budget import Budget
    from emopms.engine.search.cache import EvaluationCache
    from emopms.engine.search.start import Start
    from emopms.network.channels.encoding import Encoding
    from emopms.network.partition.subnetwork import SubNetwork


@dataclass(frozen=True)
class Generation:
    """The state of a search after one generation. Every value except the number is over all generations up to this
    one."""

    number: int
    """Number of the generation, from 1."""
    asked: int
    """Number of candidates that the algorithm asked for, repetitions included."""
    evaluations: int
    """Number of distinct candidates that were evaluated."""
    failed: int
    """Number of candidates whose evaluation failed."""
    genomes: NDArray[np.bool_]
    """Non-dominated genomes [p, genes] among all evaluated genomes."""
    objectives: NDArray[np.float64]
    """Objectives [p, m] of ``genomes``."""


def evolve(
    sub: SubNetwork,
    encoding: Encoding,
    *,
    cache: EvaluationCache,
    start: Start,
    algorithm: Algorithm,
    seed: int,
    on_generation: Callable[[Generation], None] = lambda _: None,
    budget: Budget | None = None,
) -> Generation:
    """Search one sub-network.

    Args:
        sub: The sub-network.
        encoding: Translates between genomes and the bit strings that the algorithm sees.
        cache: Evaluates genomes; it may hold some evaluations already.
        start: The source of genomes for the first generation.
        algorithm: Asks for candidates, one generation at a time.
        seed: Seed of the start and of the algorithm.
        on_generation: Called after each generation.
        budget: Ends the search after a generation when its time is over; None to run all generations.

    Returns:
        The last generation. Its front holds the genome that keeps all channels, unless a candidate dominates it.

    Raises:
        RunError: All candidates of a generation failed, or an objective returned an array of the wrong shape.
        ComponentError: The algorithm or the start failed.
    """
    rng = np.random.default_rng(seed)
    front = _Front(sub.dense[None, :], _evaluate(cache, sub.dense[None, :], "the dense sub-network"))
    space = SearchSpace(
        genes=encoding.bits,
        objectives=front.objectives.shape[1],
        sample=lambda count: encoding.encode(start.draw(count, rng)),
        repair=encoding.repair,
    )
    with guarded_call(algorithm, "begin its search"):
        search = algorithm.start(space, seed=seed % 2**32)
    state, candidates = None, 1
    for number in range(1, algorithm.generations + 1):
        with guarded_call(algorithm, "ask for candidates"):
            asked = search.ask()
            validate_array(asked, "booleans", None, space.genes)
            if not len(asked):
                break  # the search space is small, and every candidate in it has been evaluated
        candidates += len(asked)
        genomes = encoding.decode(asked)
        found = _evaluate(cache, genomes, f"all {len(genomes)} candidates of generation {number}")
        with guarded_call(algorithm, "receive objectives"):
            search.tell(front.add(genomes, found))
        state = Generation(number, candidates, cache.evaluations, cache.failed, front.genomes, front.objectives)
        on_generation(state)
        if budget is not None and budget.is_over(number):
            break
    if state is None:
        raise RunError(f"Algorithm {algorithm.name!r} asked for no candidates in its first generation.")
    return state


def _evaluate(cache: EvaluationCache, genomes: NDArray[np.bool_], which: str) -> NDArray[np.float64]:
    """Return the objectives [n, m] of genomes [n, genes]; NaN if the evaluation of a genome failed.

    Args:
        cache: Evaluates the genomes.
        genomes: The genomes.
        which: What the genomes are, such as ``the dense sub-network``, for the error message.

    Raises:
        RunError: The evaluation of all genomes failed.
    """
    values = cache.evaluate(genomes)
    if failures(values).all():
        raise RunError(
            f"Nothing is left to search: {which} failed. The first cause: {cache.cause}",
            remedy="Fix the cause, or leave that objective out; run.log may show more details.",
        )
    return values


class _Front:
    """The non-dominated genomes among all added genomes, in the order in which they were added."""

    def __init__(self, genomes: NDArray[np.bool_], objectives: NDArray[np.float64]) -> None:
        self.genomes, self.objectives = genomes, objectives
        self._worst = objectives.max(axis=0)

    def add(self, genomes: NDArray[np.bool_], objectives: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add evaluated genomes to the front, and return the objectives [n, m] that the search algorithm receives.

        A failed genome gets the largest value of each objective up to now. So every other genome is at least as good.

        Args:
            genomes: The evaluated genomes [n, genes].
            objectives: Objectives [n, m] of the genomes; NaN for genomes whose evaluation failed.
        """
        failed = failures(objectives)
        self._worst = np.maximum(self._worst, objectives[~failed].max(axis=0))
        values = np.concatenate([self.objectives, objectives[~failed]])
        front = nondominated(values)
        self.genomes = np.concatenate([self.genomes, genomes[~failed]])[front]
        self.objectives = values[front]
        return np.where(failed[:, None], self._worst, objectives)
