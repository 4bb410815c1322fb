"""The forecast of a run: its stages, evaluations, seconds and memory. It is made without running anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emopms.engine.images.image_counts import image_counts
from emopms.engine.pipeline.code_changes import log_code_changes
from emopms.engine.pipeline.code_fingerprint import code_by_name
from emopms.engine.pipeline.objective_trial import try_objectives
from emopms.engine.pipeline.plan import plan
from emopms.engine.pipeline.preflight import prepare
from emopms.engine.stages.evolve import Evolve, max_evaluations
from emopms.engine.stages.refine import Refine, max_refinements
from emopms.engine.storage.store import Store
from emopms.engine.support.library_log import quiet_default_sink
from emopms.engine.support.paths import data_folder, run_folder
from emopms.engine.support.progress import Silent
from emopms.engine.support.seeds import seeded_globals
from emopms.engine.timing.stopwatch import DEFAULT_EFFORT
from emopms.engine.timing.work_timer import WorkTimer
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary, Size
    from emopms.engine.stages.base import Stage
    from emopms.engine.storage.store import State
    from emopms.engine.timing.stopwatch import TimingEffort
    from emopms.spec import Spec


@dataclass(frozen=True)
class StageForecast:
    """The forecast of one stage of a run: whether it runs, and how many seconds it takes."""

    name: str
    state: State
    """A ``complete`` stage is loaded from the store. A stage in any other state runs."""
    seconds: float
    """Estimated seconds of the whole stage; 0 if it is complete. A stage in state ``begun`` takes fewer seconds."""


@dataclass(frozen=True)
class MemoryForecast:
    """Bytes of memory that a run needs."""

    images: int
    """Bytes of training, calibration, ranking and validation images if each pixel takes one byte. Float pixels take
    four times as many bytes."""
    test_images: int
    """Bytes of the test images, which only the last stage reads."""
    features: int
    """Bytes of the calibration features of one search: the maximum over all searches that run."""
    working: int
    """Bytes of everything except images and features: the peak memory during the timings, extrapolated to full
    batches."""
    working_of: str
    """What the bytes in ``working`` belong to: on the CPU the whole process with its libraries, on CUDA the tensors on
    the GPU."""


@dataclass(frozen=True)
class Forecast:
    """What a run would do: its sub-networks, its stages with their estimated seconds, and its memory in bytes."""

    folder: Path
    """The run directory. The forecast changes nothing in it."""
    device: str
    """The device of all stages."""
    images: Mapping[str, int]
    """Number of images of each set, such as ``training``."""
    searches: tuple[PartSummary, ...]
    """The summary of each search."""
    evaluations: tuple[int, ...]
    """Maximum number of candidates that each search evaluates."""
    refinements: int
    """Maximum number of whole networks that are measured to refine the joint schemes; 0 without refinement."""
    dense: Size
    """The size of the dense network."""
    floor: Mapping[str, float]
    """Shares of ``macs`` and ``params`` that remain after maximum pruning. A target below these shares cannot be
    reached."""
    floor_without_limits: Mapping[str, float]
    """The same shares if the spec had none of the settings ``keep``, ``min_channels`` and ``max_ratio``."""
    stages: tuple[StageForecast, ...]
    """All stages, in the order in which they run."""
    memory: MemoryForecast | None
    """Bytes of memory that the run needs; None if all stages are complete in the store, so nothing runs."""

    @property
    def seconds(self) -> float:
        """Estimated seconds of all stages that run."""
        return sum(stage.seconds for stage in self.stages)


def forecast(
    spec: Spec,
    *,
    run_dir: str | PathLike[str] | None = None,
    data_root: str | PathLike[str] | None = None,
    device: str = "auto",
    effort: TimingEffort = DEFAULT_EFFORT,
) -> Forecast:
    """Return the forecast of a run, from the spec, its data, its run directory, and some seconds of timings.

    Nothing is written and no image is read: the timings use random images.

    Args:
        spec: The spec.
        run_dir: The run directory, as in `emopms.run`.
        data_root: The folder that relative paths in the spec start from, as in `emopms.run`.
        device: The device, as in `emopms.run`.
        effort: The time that is spent on each timing.

    Raises:
        SpecError: The spec does not fit its network or data. A target that cannot be reached raises no error here:
            compare the target with `Forecast.floor`.
        ComponentError: An objective fails (see `try_objectives`).
        EmopmsError: Data or weights are missing or damaged.
    """
    quiet_default_sink()
    folder = run_folder(spec, run_dir)
    with seeded_globals(spec.seed):
        prepared = prepare(spec, folder=data_folder(spec, data_root), device=Device.choose(device), progress=Silent())
        context, parts = prepared.context, prepared.parts
        store, timer = Store(folder / "store"), WorkTimer(context, effort)
        planned = plan(spec, points=context.split_points, fingerprint=prepared.fingerprint, device=str(context.device))
        log_code_changes(store, planned, code_by_name(spec))
        states = [(step.stage, store.status(step.stage.name, step.key).state) for step in planned]
        to_run = [stage for stage, state in states if state != "complete"]
        try_objectives(timer, to_run)
        stages = [
            StageForecast(stage.name, state, stage.estimate(context, parts, timer) if stage in to_run else 0.0)
            for stage, state in states
        ]
    return Forecast(
        folder=folder,
        device=str(context.device),
        images=image_counts(spec.data, context.source),
        searches=parts,
        evaluations=tuple(max_evaluations(context, part) for part in parts),
        refinements=max_refinements(spec) if any(stage.name == "refine" for stage in stages) else 0,
        dense=prepared.dense,
        floor=prepared.floor,
        floor_without_limits=prepared.floor_without_limits,
        stages=tuple(stages),
        memory=_memory(context, parts, to_run, timer) if to_run else None,
    )


def _memory(
    context: Context, parts: Sequence[PartSummary], to_run: Sequence[Stage], timer: WorkTimer
) -> MemoryForecast:
    image = math.prod(context.source.shape)
    searched = [parts[stage.index].features for stage in to_run if isinstance(stage, Evolve)]
    searched += [image for stage in to_run if isinstance(stage, Refine)]
    return MemoryForecast(
        images=context.source.train_size * image,
        test_images=context.source.test_size * image,
        features=context.spec.data.calibration * max(searched, default=0) * (2 if context.device.bf16 else 4),
        working=timer.peak,
        working_of="tensors on the GPU" if context.device.type == "cuda" else "the whole process, without the above",
    )
