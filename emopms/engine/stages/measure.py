"""``measure``: the best schemes, on images that no search has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from loguru import logger
from scipy.stats import kendalltau

from emopms.engine.search.evaluation import failures
from emopms.engine.search.network_costs import NetworkCosts
from emopms.engine.session.scoring import BATCH, Scorer, finite, guessing_loss
from emopms.engine.stages.base import Stage
from emopms.errors import RunError
from emopms.pareto import hypervolume, nondominated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.engine.storage.store import Artefact, Workspace
    from emopms.network.partition.subnetwork import SubNetwork


@dataclass(frozen=True, kw_only=True)
class Measure(Stage):
    """Gives ``schemes`` and ``summary``.

    ``schemes``: arrays over what an earlier stage found, measured on validation images, cheapest first, the dense one
    last: ``genomes`` of the whole network [s, genes], ``predicted_loss``, ``loss``, ``accuracy``, ``macs``, ``params``
    [s], ``costs`` [s, k] and ``on_front`` [s]. ``summary`` has Kendall's tau between the loss predicted and the loss
    measured.
    """

    found_by: str
    """The stage whose schemes they are."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        divided = context.constrained(inputs["constrain"])
        found = inputs[self.found_by].arrays("schemes")
        genomes, impairment, images = found["genomes"], found["impairment"], context.image_sets.validation
        with context.progress.track(self.name, len(genomes) * images.parts(BATCH), "measurements") as tracker:
            scores = Scorer(divided.whole, images, context.device, int8=context.int8)(
                genomes, out.journal("measured"), on_batch=lambda steps: tracker.advance(steps=steps)
            )
        loss = np.array([score.loss for score in scores])
        accuracy = np.array([score.accuracy for score in scores])
        costs = self._costs(context, divided.whole, genomes)
        rows = np.argsort(costs[:-1, 0], kind="stable")  # they may not cost quite what was predicted
        rows = np.append(rows, len(loss) - 1)
        rows = rows[(finite(loss, self.name) & ~failures(costs))[rows]]
        genomes, loss, accuracy, costs = genomes[rows], loss[rows], accuracy[rows], costs[rows]
        predicted = loss[-1] + impairment[rows]
        on_front = np.zeros(len(loss), dtype=np.bool_)
        on_front[nondominated(np.column_stack([loss, costs]))] = True
        reference = (guessing_loss(context.classes), 1.0)
        volume = hypervolume(np.column_stack([loss, costs[:, 0] / costs[-1, 0]]), reference)
        tau = float(np.nan_to_num(kendalltau(predicted, loss).statistic))  # all equal: no order to predict
        out.save_arrays(
            "schemes",
            genomes=genomes,
            predicted_loss=predicted,
            loss=loss,
            accuracy=accuracy,
            macs=divided.costs.macs(genomes),
            params=divided.costs.params(genomes),
            costs=costs,
            on_front=on_front,
        )
        out.save_json(
            "summary",
            {
                "kendall_tau": tau,
                "measured": len(loss),
                "hypervolume": volume,
                "hypervolume_reference": list(reference),
            },
        )

    def _costs(self, context: Context, whole: SubNetwork, genomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Costs [n, k], NaN where they cannot be told."""
        found = NetworkCosts(context, whole)(genomes)
        failed = failures(found.values)
        if failed[-1]:
            raise RunError(
                f"The cost of the dense network cannot be told: {found.cause}",
                remedy="Mend the objective named, or leave it out of `objectives`; run.log may tell more.",
            )
        if failed.any():
            logger.warning("{}: {} networks are left out. The first: {}", self.name, int(failed.sum()), found.cause)
        return found.values
