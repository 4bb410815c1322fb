"""Where a search's wall time goes, and how much arithmetic its forward passes do in theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.speed.clock import Clock, clock_for, watching
from emopms.engine.evolution import evolve, judged, memory_for
from emopms.engine.seeds import derive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.speed.subject import Subject, Way
    from emopms.api import Task
    from emopms.network.coding import Coding
    from emopms.spec import Spec

POINTS: Final = {
    "forward": ("emopms.network.evaluator:_Run.forward",),
    "slicing": ("emopms.network.evaluator:Evaluator.__call__", "emopms.network.evaluator:Evaluator.__init__"),
    "judge": ("emopms.network.judges:FeatureDistance.forward", "emopms.network.judges:OwnClassifier.forward"),
    "algorithm": (
        "emopms.builtin.algorithm.pymoo_search:PymooSearch.ask",
        "emopms.builtin.algorithm.pymoo_search:PymooSearch.tell",
        "emopms.engine.evolution:nondominated",
    ),
}
"""The functions that stand for each part of a search; the rest is ``other``."""


def breakdown(subject: Subject, way: Way, generations: int) -> dict[str, Any]:
    """Search as the ``evolve`` stages do, for a few generations.

    Returns:
        ``seconds`` by part, ``forward_share`` of them, and the ``subnetworks``' forward passes (see `_search`).
    """
    spec, seconds, subnetworks = subject.contexts[way].spec, dict.fromkeys((*POINTS, "other"), 0.0), []
    algorithm = spec.algorithm.model_copy(update={"generations": generations})
    spec = spec.model_copy(update={"algorithm": algorithm})
    for index, task in enumerate(subject.tasks[way]):
        clock = Clock(clock_for(subject.device))
        coding = subject.contexts[way].coding(task.subnetwork)
        subnetworks.append(_search(task, coding, spec, index, clock) | {"dense": rate_of_dense(task, spec)})
        for part, spent in clock.seconds.items():
            seconds[part] += spent
    return {
        "seconds": seconds,
        "forward_share": seconds["forward"] / sum(seconds.values()),
        "subnetworks": subnetworks,
    }


def _search(task: Task, coding: Coding, spec: Spec, index: int, clock: Clock) -> dict[str, Any]:
    """Search one sub-network: evaluations, their forward seconds, and the rate of those."""
    memory = memory_for(task, spec.objectives)
    with watching(clock, POINTS), clock.within("other"):
        evolve(
            task,
            coding,
            objectives=spec.objectives,
            algorithm=spec.algorithm,
            sampling=spec.sampling,
            seed=derive(spec.seed, f"evolve/{index + 1}", "search"),
            memory=memory,
        )
    genomes = np.stack(memory.genomes)
    return {"evaluations": len(genomes), **rate(task, genomes, clock.seconds["forward"])}


def rate_of_dense(task: Task, spec: Spec, repeats: int = 5) -> dict[str, float]:
    """The rate at which the sub-network runs with nothing pruned: the fastest of several passes."""
    genome, fastest = task.subnetwork.dense[None, :], np.inf
    for _ in range(repeats):
        clock = Clock(clock_for(task.device))
        with watching(clock, POINTS):
            judged(genome, task, spec.objectives)
        fastest = min(fastest, clock.seconds["forward"])
    return rate(task, genome, fastest)


def rate(task: Task, genomes: NDArray[np.bool_], seconds: float) -> dict[str, float]:
    """Arithmetic of the genomes' forward passes over the task's images: two operations a MAC."""
    macs = float(task.subnetwork.costs.macs(genomes).sum()) * len(task.labels)
    return {"forward_seconds": seconds, "flops": 2 * macs / seconds}
