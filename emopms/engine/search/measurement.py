"""Measures schemes on validation images. No search has used these images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from loguru import logger

from emopms.engine.results.schemes import MeasuredSchemes
from emopms.engine.search.evaluation import failures
from emopms.engine.search.network_costs import NetworkCosts
from emopms.engine.session.scoring import BATCH, Scorer, finite
from emopms.engine.support.wording import counted
from emopms.errors import RunError
from emopms.pareto import nondominated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.engine.results.schemes import Schemes
    from emopms.engine.session.context import Context
    from emopms.engine.storage.journal import Journal
    from emopms.network.partition.divided_network import DividedNetwork
    from emopms.network.partition.subnetwork import SubNetwork


def measure_schemes(
    context: Context, divided: DividedNetwork, schemes: Schemes, *, stage: str, journal: Journal
) -> MeasuredSchemes:
    """Measure loss, accuracy and costs of schemes, and leave out schemes whose values are not finite.

    Args:
        context: The context of the run.
        divided: The divided network that the schemes prune.
        schemes: The schemes, with the dense network in the last row.
        stage: Name of the stage, for the progress and for warnings.
        journal: Holds the measurements of an interrupted attempt, and receives new ones.

    Raises:
        RunError: The costs of the dense network cannot be evaluated.
    """
    genomes, images = schemes.genomes, context.image_sets.validation
    with context.progress.track(stage, len(genomes) * images.parts(BATCH), "measurements") as tracker:
        scores = Scorer(divided.whole, images, context.device, int8=context.int8).score(
            genomes, journal, on_batch=lambda steps: tracker.advance(steps=steps)
        )
    loss = np.array([score.loss for score in scores])
    accuracy = np.array([score.accuracy for score in scores])
    costs = _costs(context, divided.whole, genomes, stage)
    rows = np.argsort(costs[: schemes.dense, 0], kind="stable")  # measured costs may differ from predicted ones
    rows = np.append(rows, schemes.dense)
    rows = rows[(finite(loss, stage) & ~failures(costs))[rows]]
    genomes, loss, accuracy, costs = genomes[rows], loss[rows], accuracy[rows], costs[rows]
    on_front = np.zeros(len(loss), dtype=np.bool_)
    on_front[nondominated(np.column_stack([loss, costs]))] = True
    return MeasuredSchemes(
        genomes=genomes,
        predicted_loss=loss[-1] + schemes.impairment[rows],
        loss=loss,
        accuracy=accuracy,
        macs=divided.costs.macs(genomes),
        params=divided.costs.params(genomes),
        costs=costs,
        on_front=on_front,
    )


def _costs(context: Context, whole: SubNetwork, genomes: NDArray[np.bool_], stage: str) -> NDArray[np.float64]:
    """Return the costs [n, k] of genomes [n, genes], of which the last keeps all channels. Failed evaluations give NaN.

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
            stage,
            counted(int(failed.sum()), "network"),
            found.cause,
        )
    return found.values
