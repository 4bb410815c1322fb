"""Where a search's wall time goes, and how much arithmetic its forward passes do in theirs."""

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
"""The functions that stand for each part of a search; the rest is ``other``."""


def breakdown(subject: Subject, way: Way, generations: int) -> dict[str, Any]:
    """Search as the ``evolve`` stages do, for a few generations.

    With one thread, as each candidate is evaluated: what several do at once cannot be told apart by a clock.

    Returns:
        ``seconds`` by part, ``forward_share`` of them, and for each of ``subnetworks`` its ``evaluations``, the
        ``numbers`` it computes in, and the rate of forward passes of ``candidates`` and of the ``dense`` one.
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
    """Search one sub-network; returns the number of evaluations."""
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
    """Seconds and rate of the forward passes of genomes that share nothing: the fastest of several times."""
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
    """Arithmetic of the genomes' forward passes over the task's images: two operations a MAC."""
    macs = float(task.subnetwork.costs.macs(genomes).sum()) * len(task.labels)
    return {"forward_seconds": seconds, "flops": 2 * macs / seconds}
