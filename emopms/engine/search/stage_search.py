"""Runs a search for a stage, shows its progress, and stores how many candidates and generations it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loguru import logger

from emopms.engine.results.front import Front
from emopms.engine.results.search_summary import SearchSummary
from emopms.engine.search.budget import Budget
from emopms.engine.search.loop import evolve
from emopms.engine.session.scoring import guessing_loss
from emopms.engine.support.seeds import derive
from emopms.engine.support.wording import counted
from emopms.pareto import hypervolume

if TYPE_CHECKING:
    from emopms.api import Algorithm
    from emopms.engine.search.cache import EvaluationCache
    from emopms.engine.search.loop import Generation
    from emopms.engine.search.start import Start
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Workspace
    from emopms.engine.support.progress import Steps
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
) -> Front:
    """Search a sub-network, show the progress, and store a `SearchSummary`.

    Args:
        context: The context of the run.
        stage: Name of the stage that searches.
        sub: The sub-network.
        cache: Evaluates genomes.
        start: The source of genomes for the first generation.
        algorithm: The search algorithm.
        shown: Columns of the two objectives whose hypervolume the progress shows: first a loss, then a cost.
        out: The workspace of the stage, which receives the summary.

    Returns:
        The front. The caller must store it.

    Raises:
        RunError: All candidates of a generation failed.
        ComponentError: A component failed.
    """
    loss, cost = shown
    dense = cache.evaluate(sub.dense[None, :])[0]
    history: list[list[float]] = []

    def show(steps: Steps, generation: Generation) -> None:
        points = generation.objectives[:, [loss, cost]] / (1.0, dense[cost])
        volume = hypervolume(points, (guessing_loss(context.classes), 1.0))
        history.append([generation.evaluations, volume])
        failed = f", {generation.failed} failed" if generation.failed else ""
        steps.advance(f"front {len(generation.genomes)}, hypervolume {volume:.3f}{failed}")

    seconds = context.spec.seconds_of_a_search(len(context.split_points))
    budget = None if seconds is None else Budget(seconds, out.journal("seconds"))
    with context.progress.track(stage, algorithm.generations, "generations") as tracker:
        last = evolve(
            sub,
            context.encoding(sub),
            cache=cache,
            start=start,
            algorithm=algorithm,
            seed=derive(context.spec.seed, stage, "search"),
            on_generation=lambda generation: show(tracker, generation),
            budget=budget,
        )
    logger.info(
        "{}: evaluated {} in {}; not evaluated again: {}",
        stage,
        counted(last.evaluations, "candidate"),
        counted(last.number, "generation"),
        counted(last.asked - last.evaluations, "repeated candidate"),
    )
    if last.failed:
        logger.warning(
            "{}: left out because their evaluation failed: {}. The first failure: {}",
            stage,
            counted(last.failed, "candidate"),
            cache.cause,
        )
    SearchSummary(
        evaluations=last.evaluations,
        asked=last.asked,
        generations=last.number,
        failed=last.failed,
        first_failure=cache.cause,
        history=history,
    ).save(out)
    return Front.with_dense(last.genomes, last.objectives, sub.dense, dense)
