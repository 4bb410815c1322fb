"""``measure``: measure the best schemes on validation images. No search has used these images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from loguru import logger
from scipy.stats import kendalltau

from emopms.engine.results.schemes import MeasuredSchemes, MeasureSummary, Schemes
from emopms.engine.search.evaluation import failures
from emopms.engine.search.network_costs import NetworkCosts
from emopms.engine.session.scoring import BATCH, Scorer, finite, guessing_loss
from emopms.engine.stages.base import Stage
from emopms.engine.support.wording import counted
from emopms.errors import RunError
from emopms.pareto import hypervolume, nondominated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.network.partition.subnetwork import SubNetwork


@dataclass(frozen=True, kw_only=True)
class Measure(Stage):
    """Measures schemes on validation images. Its results are `MeasuredSchemes` and a `MeasureSummary`."""

    found_by: str
    """Name of the stage that found the schemes."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Measure loss, accuracy and costs of all schemes, and leave out schemes whose values are not finite.

        Raises:
            RunError: The costs of the dense network cannot be evaluated.
        """
        divided = context.constrained(inputs["constrain"])
        schemes, images = Schemes.load(inputs[self.found_by]), context.image_sets.validation
        genomes = schemes.genomes
        with context.progress.track(self.name, len(genomes) * images.parts(BATCH), "measurements") as tracker:
            scores = Scorer(divided.whole, images, context.device, int8=context.int8).score(
                genomes, out.journal("measured"), on_batch=lambda steps: tracker.advance(steps=steps)
            )
        loss = np.array([score.loss for score in scores])
        accuracy = np.array([score.accuracy for score in scores])
        costs = self._costs(context, divided.whole, genomes)
        rows = np.argsort(costs[: schemes.dense, 0], kind="stable")  # measured costs may differ from predicted ones
        rows = np.append(rows, schemes.dense)
        rows = rows[(finite(loss, self.name) & ~failures(costs))[rows]]
        genomes, loss, accuracy, costs = genomes[rows], loss[rows], accuracy[rows], costs[rows]
        predicted = loss[-1] + schemes.impairment[rows]
        on_front = np.zeros(len(loss), dtype=np.bool_)
        on_front[nondominated(np.column_stack([loss, costs]))] = True
        reference = (guessing_loss(context.classes), 1.0)
        MeasuredSchemes(
            genomes=genomes,
            predicted_loss=predicted,
            loss=loss,
            accuracy=accuracy,
            macs=divided.costs.macs(genomes),
            params=divided.costs.params(genomes),
            costs=costs,
            on_front=on_front,
        ).save(out)
        MeasureSummary(
            kendall_tau=float(np.nan_to_num(kendalltau(predicted, loss).statistic)),
            measured=len(loss),
            hypervolume=hypervolume(np.column_stack([loss, costs[:, 0] / costs[-1, 0]]), reference),
            hypervolume_reference=list(reference),
        ).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to measure all schemes and the dense network on validation images."""
        return (context.spec.schemes + 1) * timer.forward(context.spec.data.validated_on(context.source))

    def _costs(self, context: Context, whole: SubNetwork, genomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the costs [n, k] of genomes [n, genes], of which the last keeps all channels. Failed evaluations give
        NaN.

        Raises:
            RunError: The costs of the dense network cannot be evaluated.
        """
        found = NetworkCosts(context, whole).evaluate(genomes)
        failed = failures(found.values)
        if failed[-1]:
            raise RunError(
                f"The costs of the dense network cannot be evaluated: {found.cause}",
                remedy="Fix this objective, or leave it out of `objectives`; run.log may show more details.",
            )
        if failed.any():
            logger.warning(
                "{}: left out because their costs cannot be evaluated: {}. The first failure: {}",
                self.name,
                counted(int(failed.sum()), "network"),
                found.cause,
            )
        return found.values
