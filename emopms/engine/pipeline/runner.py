"""Runs planned stages, or loads their results from the store."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loguru import logger

from emopms.engine.pipeline.objective_trial import try_objectives
from emopms.engine.pipeline.provenance import provenance
from emopms.engine.support.seeds import seeded_globals
from emopms.engine.timing.work_timer import WorkTimer
from emopms.errors import RunError, UnmetTargetError
from emopms.network.runtime.free_memory import out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from emopms.engine.pipeline.plan import Planned
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact
    from emopms.engine.storage.store import Store


@dataclass(frozen=True)
class Done:
    """A complete stage: its files, its duration, and whether an earlier run completed it."""

    name: str
    artefact: Artefact
    seconds: float
    """Seconds that the stage took when it ran."""
    cached: bool
    """Whether the stage was completed by an earlier run."""


def run_stages(
    planned: Sequence[Planned],
    context: Context,
    store: Store,
    *,
    earlier: Mapping[str, Done] | None = None,
    last: bool = True,
    on_stage: Callable[[Done], None] = lambda _: None,
    unmet: list[UnmetTargetError] | None = None,
) -> dict[str, Done]:
    """Complete all stages in order. Stages that are complete in the store are not run.

    Args:
        planned: The stages.
        context: The context of the run.
        store: The store that holds complete stages.
        earlier: Complete stages, by name, that these stages may have as inputs.
        on_stage: Called after each complete stage, also after one that is loaded from the store.
        last: Whether no other stages follow. Only then does the progress of the run show how many stages are left.
        unmet: Receives the errors of targets that no scheme meets. Their stages are left out, and the others go on.
            Without this list, the first such error ends the run.

    Returns:
        All complete stages by name, including the stages in ``earlier``.
    """
    done = dict(earlier or {})
    if last:
        context.progress.begin({step.stage.name: store.seconds(step.stage.name) for step in planned})
    tried, left_out = False, set[str]()
    for index, step in enumerate(planned):
        stage = step.stage
        if left_out.intersection(stage.inputs):
            left_out.add(stage.name)
            continue
        stored = store.find(stage.name, step.key)
        if stored.artefact is not None:
            seconds = stored.artefact.meta["seconds"]
            done[stage.name] = Done(stage.name, stored.artefact, seconds, cached=True)
            context.progress.stage(stage.name, cached=True, seconds=seconds)
            on_stage(done[stage.name])
            logger.debug("{}: from the store ({})", stage.name, stored.artefact.folder)
            continue
        if not tried:
            tried = True
            _check(planned[index:], context, store)
            try_objectives(WorkTimer(context), [later.stage for later in planned[index:]])
        context.progress.stage(stage.name, cached=False)
        if stored.state == "begun":
            logger.info("{}: was begun earlier, and goes on from there", stage.name)
        logger.debug("{}: begins, key {}", stage.name, step.key[:16])
        workspace = store.begin(stage.name, step.key)
        began = time.perf_counter()
        try:
            with _name_stage_on_oom(stage.name), seeded_globals(context.spec.seed, stage.name):
                stage.run(context, {name: done[name].artefact for name in stage.inputs}, workspace)
        except UnmetTargetError as error:
            if unmet is None:
                raise
            logger.error("{}: {}", stage.name, error.message)
            unmet.append(error)
            left_out.add(stage.name)
            continue
        seconds = round(time.perf_counter() - began, 3)
        facts = {"version": stage.version, "seconds": seconds, "provenance": provenance(context.device)}
        artefact = workspace.complete(facts)
        done[stage.name] = Done(stage.name, artefact, seconds, cached=False)
        context.progress.stage(stage.name, cached=False, seconds=seconds)
        logger.debug("{}: done in {:.1f} s", stage.name, seconds)
        on_stage(done[stage.name])
    return done


def _check(planned: Sequence[Planned], context: Context, store: Store) -> None:
    """Let all stages that will run check whether they can, before the first of them runs (see `Stage.check`)."""
    for step in planned:
        if store.status(step.stage.name, step.key).state != "complete":
            step.stage.check(context, store.begin(step.stage.name, step.key))


@contextmanager
def _name_stage_on_oom(stage: str) -> Iterator[None]:
    """Turn an out-of-memory error inside the ``with`` statement into a `RunError` that names the stage."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise RunError(
            f"{stage} ran out of memory: {str(error).partition(chr(10))[0] or 'MemoryError'}",
            remedy="Lower its batch size or `data.calibration`, or run it where there is more; it goes on from here.",
        ) from error
