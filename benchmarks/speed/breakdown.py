"""Measures how the wall time of a search divides into parts, and the arithmetic rate of its forward passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks.speed.clock import Clock, clock_for, watching
from benchmarks.speed.machine_rate import one_thread
from benchmarks.speed.subject import sharing_nothing
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import ObjectiveEvaluation
from emopms.engine.search.loop import evolve
from emopms.engine.search.start import SampledStart
from emopms.engine.support.seeds import derive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.speed.subject import Subject, Way
    from emopms.api import Task
    from emopms.network.channels.encoding import Encoding
    from emopms.spec import Spec

POINTS: Final = {
    "forward": ("emopms.network.inference.executor:Executor.forward",),
    "slicing": (
        "emopms.network.inference.evaluator:Evaluator.run",
        "emopms.network.inference.evaluator:Evaluator.__init__",
    ),
    "judge": ("emopms.network.criteria:FeatureDistance.forward", "emopms.network.criteria:ClassifierLoss.forward"),
    "sampling": ("emopms.builtin.sampling.sensitivity:Sensitivity.sample",),
    "algorithm": (
        "emopms.builtin.algorithm.pymoo_search:PymooSearch.ask",
        "emopms.builtin.algorithm.pymoo_search:PymooSearch.tell",
        "emopms.engine.search.loop:nondominated",
    ),
}
"""The functions whose time counts for each part of a search. The remaining time is ``other``."""


def breakdown(subject: Subject, way: Way, generations: int) -> dict[str, Any]:
    """Search for a few generations, as the ``evolve`` stages do.

    It uses one thread, as the evaluation of each candidate does, because a clock cannot separate the parts of parallel
    threads.

    Returns:
        ``seconds`` by part, the ``forward_share`` of the total, and for each of ``subnetworks`` its ``evaluations``,
        its number format ``numbers``, and the arithmetic rates of ``candidates`` and of the ``dense`` sub-network.
    """
    spec, seconds, subnetworks = subject.contexts[way].spec, dict.fromkeys((*POINTS, "other"), 0.0), []
    algorithm = spec.algorithm.model_copy(update={"generations": generations})
    spec = spec.model_copy(update={"algorithm": algorithm})
    with one_thread():
        for index, (task, genomes) in enumerate(zip(subject.tasks(way), subject.parts(way), strict=True)):
            clock = Clock(clock_for(subject.device))
            evaluations = _search(task, subject.contexts[way].encoding(task.subnetwork), spec, index, clock)
            for part, spent in clock.seconds.items():
                seconds[part] += spent
            subnetworks.append(
                {
                    "evaluations": evaluations,
                    "numbers": "int8" if task.evaluator().int8_convolutions else "bf16" if task.device.bf16 else "fp32",
                    "candidates": rate_of(genomes, task, spec),
                    "dense": rate_of(task.subnetwork.dense[None, :], task, spec, repeats=5),
                }
            )
    return {
        "seconds": seconds,
        "forward_share": seconds["forward"] / sum(seconds.values()),
        "subnetworks": subnetworks,
    }


def _search(task: Task, coding: Encoding, spec: Spec, index: int, clock: Clock) -> int:
    """Search one sub-network and return the number of evaluations."""
    cache = EvaluationCache(ObjectiveEvaluation(task, spec.objectives))
    with watching(clock, POINTS), clock.within("other"):
        evolve(
            task.subnetwork,
            coding,
            cache=cache,
            start=SampledStart(spec.sampling, task),
            algorithm=spec.algorithm,
            seed=derive(spec.seed, f"evolve/{index + 1}", "search"),
        )
    return cache.evaluations


def rate_of(genomes: NDArray[np.bool_], task: Task, spec: Spec, repeats: int = 1) -> dict[str, float]:
    """Return seconds and rate of forward passes without shared computation, the fastest of several repeats."""
    fastest, task = np.inf, sharing_nothing(task)
    evaluation = ObjectiveEvaluation(task, spec.objectives)
    evaluation.evaluate(genomes[:1])
    for _ in range(repeats):
        clock = Clock(clock_for(task.device))
        with watching(clock, POINTS):
            evaluation.evaluate(genomes)
        fastest = min(fastest, clock.seconds["forward"])
    return rate(task, genomes, fastest)


def rate(task: Task, genomes: NDArray[np.bool_], seconds: float) -> dict[str, float]:
    """Return the arithmetic rate of the genomes' forward passes over the task's images, with two FLOPs per MAC."""
    macs = float(task.subnetwork.costs.macs(genomes).sum()) * len(task.labels)
    return {"forward_seconds": seconds, "flops": 2 * macs / seconds}
