"""``aim/<target>``: search for schemes that are just within the cost bounds of one target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from loguru import logger

from emopms.engine.results.networks import DenseNetwork
from emopms.engine.results.schemes import MeasuredSchemes, Schemes
from emopms.engine.results.search_summary import SearchSummary
from emopms.engine.search.best_scheme import best_scheme
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import failures
from emopms.engine.search.log import EvaluationLog
from emopms.engine.search.measurement import measure_schemes
from emopms.engine.search.named_costs import cost_names, named_costs
from emopms.engine.search.near_bounds import CANDIDATES, NearBounds
from emopms.engine.search.network_costs import NetworkCosts
from emopms.engine.search.network_evaluation import NetworkEvaluation
from emopms.engine.session.scoring import Scorer
from emopms.engine.stages.base import Stage
from emopms.engine.support.seeds import numpy_rng
from emopms.spec.target import COUNTED, within_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.spec import Target

_MEASURED = 8
"""Number of the best candidates that are measured on validation images."""


@dataclass(frozen=True, kw_only=True)
class Aim(Stage):
    """Searches the whole network near the cost bounds of a target, by its loss on ranking images.

    A front has few points near any one bound, and a pruned network that is much smaller than its target allows has lost
    accuracy for nothing. Its results are `MeasuredSchemes` and a `SearchSummary`.
    """

    target: Target
    """The target, which bounds at least one cost."""
    found_by: str
    """Name of the stage that found the schemes from which this search starts."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Search near the bounds of the target, and measure the best candidates on validation images."""
        divided = context.constrained(inputs["constrain"])
        whole, known = divided.whole, MeasuredSchemes.load(inputs["measure"])
        names = cost_names(context.spec)
        costs = known.costs_by_name(names)
        limits = self.target.limits({name: float(values[known.dense]) for name, values in costs.items()})
        scorer = Scorer(whole, context.image_sets.ranking, context.device, int8=context.int8, hold=True)
        network_costs = NetworkCosts(context, whole)
        cache = EvaluationCache(NetworkEvaluation(scorer, network_costs), EvaluationLog(out.journal("judged")))
        rng = numpy_rng(context.spec.seed, self.name)
        search = NearBounds(
            whole,
            Schemes.load(inputs[self.found_by]).genomes,
            _bounds(limits, costs, self.target.within(costs, known.dense), rng),
            encoding=context.encoding(whole),
            multiple=context.spec.genome.channel_multiple,
            rng=rng,
        )
        genomes = np.empty((0, whole.channels.genes), dtype=np.bool_)
        losses, asked = np.empty(0), 0
        dense_loss = float(cache.evaluate(whole.dense[None])[0, 0])
        with context.progress.track(self.name, context.spec.aim, "generations") as tracker:
            for number in range(context.spec.aim):
                if number and not len(genomes):
                    break
                candidates = search.next(genomes, losses) if number else search.first()
                values, asked = cache.evaluate(candidates), asked + len(candidates)
                within = ~failures(values) & within_limits(
                    named_costs(names, values[:, 1:], candidates, divided.costs), limits
                )
                genomes, losses = _distinct(
                    np.concatenate([genomes, candidates[within]]), np.concatenate([losses, values[within, 0]])
                )
                tracker.advance(f"lowest loss {losses.min():.3f}" if len(losses) else "no candidate within the bounds")
        best = np.argsort(losses, kind="stable")[:_MEASURED]
        logger.info("{}: {} candidates, {} of them within the bounds", self.name, cache.evaluations, len(losses))
        schemes = Schemes(
            genomes=np.concatenate([genomes[best], whole.dense[None]]),
            impairment=np.append(losses[best] - dense_loss, 0.0),
            costs=cache.evaluate(np.concatenate([genomes[best], whole.dense[None]]))[:, 1:],
        )
        measured = measure_schemes(context, divided, schemes, stage=self.name, journal=out.journal("measured"))
        # A target that cannot be met ends the run here, before any fine-tuning.
        best_scheme(self.target, known.with_more(measured), names, DenseNetwork.load(inputs["pretrain"]).score.accuracy)
        measured.save(out)
        SearchSummary(
            evaluations=cache.evaluations,
            asked=asked,
            generations=context.spec.aim,
            failed=cache.failed,
            first_failure=cache.cause,
        ).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to evaluate all candidates, and to measure the best of them."""
        candidates = context.spec.aim * CANDIDATES
        ranking = timer.forward(context.spec.data.calibration)
        return candidates * ranking + _MEASURED * timer.forward(context.spec.data.validated_on(context.source))


def _bounds(
    limits: Mapping[str, float],
    costs: Mapping[str, NDArray[np.float64]],
    within: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Callable[[], dict[str, float]]:
    """Return a function that makes bounds on MACs and parameters for the next candidate.

    Bounds on other costs, which only a measurement tells, become a random bound on the MACs: between the largest scheme
    within the bounds and the next larger one.
    """
    counted = {name: limit for name, limit in limits.items() if name in COUNTED}
    if len(counted) == len(limits):
        return lambda: counted
    macs = costs["macs"]
    lower = macs[within].max(initial=macs.min())
    upper = macs[macs > lower].min(initial=macs.max())

    def drawn() -> dict[str, float]:
        return counted | {"macs": min(rng.uniform(lower, upper), counted.get("macs", np.inf))}

    return drawn


def _distinct(genomes: NDArray[np.bool_], losses: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    _, first = np.unique(genomes, axis=0, return_index=True)
    rows = np.sort(first)
    return genomes[rows], losses[rows]
