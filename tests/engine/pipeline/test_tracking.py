"""What trackers receive, and that they never harm a run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest
from loguru import logger

import emopms
from emopms.api import TrackedResult, TrackedRun, Tracker, Tracking
from emopms.engine.pipeline.plan import plan
from emopms.engine.pipeline.tracking import figures_in_result, tracked
from emopms.network.runtime.device import Device
from tests.engine.conftest import tiny

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Notes(Tracker):
    """Keeps what it receives."""

    name: Literal["notes"] = "notes"
    fails: str = ""

    received: ClassVar[list[tuple[str, Any]]] = []

    def begin(self, run: TrackedRun) -> Tracking:
        _note(self.fails, "begin", run)
        return _Notes(self.fails)


class _Notes(Tracking):
    def __init__(self, fails: str) -> None:
        self._fails = fails

    def log(self, figures: Mapping[str, float], *, step: int | None = None) -> None:
        _note(self._fails, "log", (step, dict(figures)))

    def finish(self, result: TrackedResult) -> None:
        _note(self._fails, "finish", result)

    def close(self) -> None:
        _note(self._fails, "close", None)


def _note(fails: str, what: str, value: Any) -> None:
    Notes.received.append((what, value))
    if fails == what:
        raise OSError("no route to host")


@pytest.fixture(autouse=True)
def said() -> Iterator[list[str]]:
    Notes.received.clear()
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


def test_stages_are_sent_as_they_end_and_results_at_the_end(
    finished: emopms.Result, tmp_path: Path, said: list[str]
) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    again = emopms.run(tiny(trackers=[Notes()]), run_dir=folder, device="cpu")  # all stages are stored
    kinds = [kind for kind, _ in Notes.received]
    assert kinds[0] == "begin"
    assert kinds[-2:] == ["finish", "close"]
    run = Notes.received[0][1]
    assert (run.name, run.folder) == ("tiny", folder)
    assert run.spec["algorithm"]["pop_size"] == 8
    assert "torch" in run.facts["versions"]
    figures = [value for kind, value in Notes.received if kind == "log"]
    course = [
        (step, values["evolve/1/hypervolume"])
        for step, values in figures
        if step is not None and "evolve/1/hypervolume" in values
    ]
    assert len(course) == 4
    assert [step for step, _ in course] == sorted(step for step, _ in course)
    last: dict[str, float] = {}
    for step, values in figures:
        if step is None:
            last |= values
    assert last["pretrain/accuracy"] > 0.5
    assert last["finetune/macs-0.6/after/accuracy"] > 0.5
    assert {stage["name"] for stage in again.summary["stages"]} == {
        name.removesuffix("/seconds") for name in last if name.endswith("/seconds")
    }
    result = Notes.received[-2][1]
    assert result.figures == figures_in_result(again.summary)
    (model,) = again.summary["models"]
    assert result.figures["models/macs-0.6/accuracy"] == model["accuracy"]
    assert [row["accuracy"] for row in result.front] == [point.accuracy for point in again.front]
    assert folder / "models" / "macs-0.6" / "model.safetensors" in result.files
    assert said == []


@pytest.mark.parametrize("fails", ["begin", "log", "finish", "close"])
def test_one_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path, said: list[str], fails: str) -> None:
    spec = tiny(trackers=[Notes(fails=fails), Notes()])
    with tracked(spec, tmp_path, Device("cpu")) as trackers:
        trackers._each("receive figures", lambda tracking: tracking.log({"x": 1.0}))
        trackers._each("receive figures", lambda tracking: tracking.log({"x": 2.0}))
        trackers._each("receive the results", lambda tracking: tracking.finish(TrackedResult({}, [], [])))
    kinds = [kind for kind, _ in Notes.received]
    assert kinds.count("close") == 1 + (fails == "close")
    assert kinds.count("finish") == 1 + (fails in ("finish", "close"))
    assert kinds.count("log") == {"begin": 2, "log": 3}.get(fails, 4)
    (line,) = said
    assert "The tracker 'notes'" in line
    assert "no route to host" in line
    assert "the run goes on" in line


def test_they_are_closed_if_the_run_ends_early(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), tracked(tiny(trackers=[Notes()]), tmp_path, Device("cpu")):
        raise KeyboardInterrupt
    assert [kind for kind, _ in Notes.received] == ["begin", "close"]


def test_they_change_no_key() -> None:
    points = ("stage1", "stage2")
    plain, with_one = (
        {step.stage.name: step.key for step in plan(spec, points=points, fingerprint="f", device="cpu")}
        for spec in (tiny(), tiny(trackers=[Notes()]))
    )
    assert plain == with_one
