"""The search of one sub-network: ask, evaluate, tell; nothing is evaluated twice, everything is logged.

An interrupted search continues by replay: the seeded algorithm asks the same questions again, and those already
answered are answered from the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.api import SearchSpace
from emopms.engine.blame import at_work
from emopms.errors import RunError
from emopms.pareto import nondominated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from emopms.api import Algorithm, Objective, Sampling, Task
    from emopms.network.coding import Coding


@dataclass(frozen=True)
class Generation:
    """How a search stands after a generation, over everything evaluated so far."""

    number: int
    """From 1."""
    asked: int
    """Candidates that were to be judged; all but `evaluations` of them were known already."""
    evaluations: int
    genomes: NDArray[np.bool_]
    """The front: non-dominated genomes [p, genes]."""
    objectives: NDArray[np.float64]
    """Theirs [p, m]."""


class Memory:
    """Every genome evaluated so far and its objectives; memoises, and logs each batch of new ones."""

    def __init__(
        self,
        evaluate: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
        *,
        on_new: Callable[[NDArray[np.bool_], NDArray[np.float64]], None] = lambda *_: None,
    ) -> None:
        self._evaluate, self._on_new = evaluate, on_new
        self._index: dict[bytes, int] = {}
        self.genomes: list[NDArray[np.bool_]] = []
        self.objectives: list[NDArray[np.float64]] = []

    def remember(self, genomes: NDArray[np.bool_], objectives: NDArray[np.float64]) -> None:
        for genome, values in zip(genomes, objectives, strict=True):
            self._index[genome.tobytes()] = len(self.genomes)
            self.genomes.append(genome)
            self.objectives.append(values)

    def __call__(self, genomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Objectives [n, m] of genomes [n, genes]; only those never seen before are evaluated."""
        new = {g.tobytes(): g for g in genomes if g.tobytes() not in self._index}
        if new:
            batch = np.stack(list(new.values()))
            values = self._evaluate(batch)
            self._on_new(batch, values)
            self.remember(batch, values)
        return np.stack([self.objectives[self._index[genome.tobytes()]] for genome in genomes])


def evolve(
    task: Task,
    coding: Coding,
    *,
    objectives: Sequence[Objective],
    algorithm: Algorithm,
    sampling: Sampling,
    seed: int,
    memory: Memory | None = None,
    go_on: Callable[[Generation], bool] = lambda _: True,
) -> Generation:
    """Search one sub-network.

    Args:
        coding: What the algorithm sees of genomes.
        memory: Where evaluations are kept; may know genomes already. It must have been made by `memory_for`.
        go_on: Called after each generation; returns False to stop early.

    Returns:
        The last generation. Its front holds the dense genome wherever nothing dominates it.

    Raises:
        RunError: An objective returned the wrong shape or a value that is not finite.
    """
    sub = task.subnetwork
    rng = np.random.default_rng(seed)
    memory = memory if memory is not None else memory_for(task, objectives)
    memory(sub.dense[None, :])  # the dense sub-network belongs to every front

    def sample(count: int) -> NDArray[np.bool_]:
        with at_work(sampling, "sample candidates"):
            return coding.encode(sampling.sample(sub, task.inputs, count, rng))

    space = SearchSpace(
        genes=coding.bits,
        objectives=len(objectives),
        sample=sample,
        repair=coding.repair,
    )
    with at_work(algorithm, "begin its search"):
        search = algorithm.start(space, seed=seed % 2**32)
    state, candidates = None, 1
    for number in range(1, algorithm.generations + 1):
        with at_work(algorithm, "ask for candidates"):
            asked = search.ask()
            if not len(asked):
                break  # a small space is exhausted: everything in it has been evaluated
        candidates += len(asked)
        told = memory(coding.decode(asked))
        with at_work(algorithm, "take in objectives"):
            search.tell(told)
        values = np.stack(memory.objectives)
        front = nondominated(values)
        genomes = np.stack([memory.genomes[i] for i in front])
        state = Generation(number, candidates, len(memory.genomes), genomes, values[front])
        if not go_on(state):
            break
    if state is None:
        raise RunError(f"Algorithm {algorithm.name!r} asked for nothing in its first generation.")
    return state


def memory_for(
    task: Task,
    objectives: Sequence[Objective],
    *,
    on_new: Callable[[NDArray[np.bool_], NDArray[np.float64]], None] = lambda *_: None,
) -> Memory:
    """A memory that evaluates with these objectives."""
    return Memory(lambda genomes: judged(genomes, task, objectives), on_new=on_new)


def judged(genomes: NDArray[np.bool_], task: Task, objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """The objectives [n, m] of genomes [n, genes].

    Raises:
        RunError, ComponentError: An objective raised, or returned the wrong shape or what is not finite.
    """
    genomes = genomes.copy()
    genomes.flags.writeable = False  # all objectives see the same candidates
    columns = []
    for objective in objectives:
        with at_work(objective, "evaluate candidates"):
            values = np.asarray(objective.evaluate(genomes, task), dtype=np.float64)
        if values.shape != (len(genomes),):
            raise RunError(
                f"Objective {objective.name!r} returned shape {values.shape} for {len(genomes)} candidates.",
                remedy="Its evaluate must return one number a candidate.",
            )
        if not np.isfinite(values).all():
            raise RunError(
                f"Objective {objective.name!r} returned values that are not finite.",
                remedy="Look at the candidates it was given, or leave it out of `objectives`.",
            )
        columns.append(values)
    return np.column_stack(columns)
