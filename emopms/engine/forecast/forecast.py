"""``emopms.engine.forecast.forecast.forecast``: what a run would do, before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emopms.engine.pipeline.plan import plan
from emopms.engine.pipeline.preflight import prepare
from emopms.engine.stages.evolve import Evolve, max_evaluations
from emopms.engine.stages.refine import Refine, max_refinements
from emopms.engine.storage.store import Store
from emopms.engine.support.paths import data_folder, run_folder
from emopms.engine.support.progress import Silent
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
    from emopms.spec import Spec


@dataclass(frozen=True)
class StageForecast:
    """One stage."""

    name: str
    state: State
    """``complete`` is taken from the store, everything else runs."""
    seconds: float
    """About what it takes; 0 from the store. What is begun takes less."""


@dataclass(frozen=True)
class MemoryForecast:
    """Bytes that a run needs."""

    images: int
    """Training, calibration and validation images, pixels of one byte supposed. Float pixels take four times that."""
    test_images: int
    """Test images, held from the last stage on."""
    features: int
    """Calibration features of one search, the largest of those to run."""
    working: int
    """The rest: the peak measured while timing, extrapolated where that was on smaller batches."""
    working_of: str
    """What the peak was measured of: on the CPU the whole process with its libraries, on CUDA the GPU's tensors."""


@dataclass(frozen=True)
class Forecast:
    """What a run would do."""

    folder: Path
    """The run directory, which is only looked at."""
    device: str
    searches: tuple[PartSummary, ...]
    evaluations: tuple[int, ...]
    """The most candidates that are judged, for each search."""
    refinements: int
    """The most whole networks that are judged to refine the joint schemes."""
    dense: Size
    """The network as it is."""
    floor: Mapping[str, float]
    """Fractions of ``macs`` and ``params`` that remain whatever is pruned: no target below can be reached."""
    stages: tuple[StageForecast, ...]
    memory: MemoryForecast | None
    """None where nothing is left to run."""

    @property
    def seconds(self) -> float:
        """About what all stages that run take."""
        return sum(stage.seconds for stage in self.stages)


def forecast(
    spec: Spec,
    *,
    run_dir: str | PathLike[str] | None = None,
    data_root: str | PathLike[str] | None = None,
    device: str = "auto",
) -> Forecast:
    """Look at a spec, its data and its run directory, and time for some seconds what would run.

    Nothing is written, and no image is read: time and memory are those of random images.

    Args:
        spec, run_dir, data_root, device: As in `emopms.run`.

    Raises:
        SpecError: The spec does not fit its network or data. Targets out of reach are no error here: `floor` tells.
        EmopmsError: Data or weights are missing or damaged.
    """
    folder = run_folder(spec, run_dir)
    prepared = prepare(spec, folder=data_folder(spec, data_root), device=Device.choose(device), progress=Silent())
    context, parts = prepared.context, prepared.parts
    store, timer = Store(folder / "store"), WorkTimer(context)
    stages = []
    to_run: list[Stage] = []
    for planned in plan(
        spec, points=context.split_points, fingerprint=prepared.fingerprint, device=str(context.device)
    ):
        stage, state = planned.stage, store.status(planned.stage.name, planned.key).state
        seconds = 0.0 if state == "complete" else stage.estimate(context, parts, timer)
        stages.append(StageForecast(stage.name, state, seconds))
        to_run += [] if state == "complete" else [stage]
    return Forecast(
        folder=folder,
        device=str(context.device),
        searches=parts,
        evaluations=tuple(max_evaluations(context, part) for part in parts),
        refinements=max_refinements(spec) if any(stage.name == "refine" for stage in stages) else 0,
        dense=prepared.dense,
        floor=prepared.floor,
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
