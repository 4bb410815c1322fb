"""The search of a stage: continued where it was, shown as it goes, and summed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from loguru import logger

from emopms.engine.search.evaluation import Evaluations
from emopms.engine.search.loop import evolve
from emopms.engine.session.scoring import guessing_loss
from emopms.engine.support.seeds import derive
from emopms.pareto import hypervolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import Algorithm
    from emopms.engine.search.cache import EvaluationCache
    from emopms.engine.search.loop import Generation, Start
    from emopms.engine.session.context import Context
    from emopms.engine.storage.journal import Journal
    from emopms.engine.storage.store import Workspace
    from emopms.engine.support.progress import Tracker
    from emopms.network.partition.subnetwork import SubNetwork


def search(
    context: Context,
    stage: str,
    sub: SubNetwork,
    *,
    cache: EvaluationCache,
    start: Start,
    algorithm: Algorithm,
    shown: tuple[int, int],
    out: Workspace,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Search a sub-network, and write down as ``search`` what it took.

    Args:
        stage: Whose search it is.
        shown: Which objectives are the loss and the cost whose hypervolume tells how the search stands.

    Returns:
        The genomes [p, genes] of the front and their objectives [p, m], those of the dense sub-network last.
    """
    loss, cost = shown
    dense = cache(sub.dense[None, :])

    def show(tracker: Tracker, generation: Generation) -> None:
        points = generation.objectives[:, [loss, cost]] / (1.0, dense[0, cost])
        volume = hypervolume(points, (guessing_loss(context.classes), 1.0))
        failed = f", {generation.failed} failed" if generation.failed else ""
        tracker.advance(f"front {len(generation.genomes)}, hypervolume {volume:.3f}{failed}")

    with context.progress.track(stage, algorithm.generations, "generations") as tracker:
        last = evolve(
            sub,
            context.coding(sub),
            cache=cache,
            start=start,
            algorithm=algorithm,
            seed=derive(context.spec.seed, stage, "search"),
            on_generation=lambda generation: show(tracker, generation),
        )
    logger.info(
        "{}: {} candidates evaluated in {} generations; {} more were known already",
        stage,
        last.evaluations,
        last.number,
        last.asked - last.evaluations,
    )
    if last.failed:
        logger.warning("{}: {} candidates failed and were left out. The first: {}", stage, last.failed, cache.cause)
    out.save_json(
        "search",
        {
            "evaluations": last.evaluations,
            "asked": last.asked,
            "generations": last.number,
            "failed": last.failed,
            "first_failure": cache.cause,
        },
    )
    others = ~(last.genomes == sub.dense).all(axis=1)
    genomes = np.concatenate([last.genomes[others], sub.dense[None, :]])
    return genomes, np.concatenate([last.objectives[others], dense])


class EvaluationLog:
    """An entry for each batch of new genomes."""

    def __init__(self, journal: Journal) -> None:
        self._journal, self._next = journal, 0

    def append(self, genomes: NDArray[np.bool_], found: Evaluations) -> None:
        """Write down one batch more."""
        self._journal.put(
            self._next,
            {
                "genomes": torch.from_numpy(genomes),
                "values": torch.from_numpy(found.values),
                "cause": torch.tensor(list(found.cause.encode()), dtype=torch.uint8),
            },
        )
        self._next += 1

    def replay(self, cache: EvaluationCache) -> None:
        """Let a memory know what is in it."""
        for number in self._journal.numbers():
            self._next = number + 1
            batch = self._journal.get(number)
            if batch is not None:
                cause = bytes(batch["cause"].tolist()).decode()
                cache.remember(batch["genomes"].numpy(), Evaluations(batch["values"].numpy(), cause))
