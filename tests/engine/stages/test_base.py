"""The contract that all stages keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emopms.engine.timing.stopwatch import TimingEffort
from emopms.engine.timing.work_timer import WorkTimer
from tests.engine.contexts import run_stage, stage, tiny_context, tiny_parts

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.storage.artefact import Artefact

SLOW = pytest.mark.slow
STAGES = {
    "pretrain": {"network.safetensors", "score.json"},
    "selectors": {"judges.safetensors"},
    "constrain": {"network.safetensors", "score.json"},
    "evolve/2": {"front.npz", "search.json"},
    "rank": {"front-1.npz", "front-2.npz", "front-3.npz"},
    "join": {"schemes.npz", "summary.json"},
    "refine": {"schemes.npz", "search.json"},
    "measure": {"schemes.npz", "summary.json"},
    "aim/macs-0.6": {"schemes.npz", "search.json"},
    "finetune/macs-0.6": {"choice.json", "genome.npz", "network.safetensors", "recalibrated.safetensors"},
    "dense": {"figures.json"},
    "breakdown/macs-0.6": {"breakdown.json"},
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=SLOW if n in ("pretrain", "constrain") else ()) for n in STAGES]
)
def test_a_stage_makes_the_same_files_again_from_its_inputs_alone(
    name: str, artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    """Another context has no caches of earlier stages."""
    again = run_stage(name, tiny_context(), artefacts, tmp_path)
    assert set(again.files) == STAGES[name]
    assert again.meta["files"] == artefacts[name].meta["files"], "the checksums are equal"


@pytest.fixture(scope="module")
def timer() -> WorkTimer:
    effort = TimingEffort(first_size=2, min_seconds=0.0, min_repetitions=1, max_seconds=0.0)
    return WorkTimer(tiny_context(export=["safetensors"]), effort)


@pytest.mark.parametrize("name", [*STAGES, "export/macs-0.6"])
def test_a_stage_estimates_its_seconds_without_inputs(name: str, timer: WorkTimer) -> None:
    context = timer.context
    seconds = stage(name, context).estimate(context, tiny_parts(), timer)
    assert seconds > 0 or name == "join"
