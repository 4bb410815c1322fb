"""Conformance suite for trackers."""

from __future__ import annotations

from contextlib import chdir
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.api import TrackedResult, TrackedRun
from emopms.testing.component import ComponentConformance

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.api import Tracker

SMALL_SPEC: dict[str, Any] = {
    "version": 1,
    "name": "tracked",
    "backbone": {"name": "small_resnet", "widths": [8, 8, 16]},
    "data": {"name": "digits", "calibration": 64, "validation": 128},
    "pretrain": {"epochs": 3, "lr": 0.1, "batch_size": 32},
    "split": ["stage1"],
    "selector": {"name": "linear_probe", "epochs": 1},
    "constraint": "none",
    "algorithm": {"name": "nsga2", "pop_size": 6, "generations": 3},
    "targets": [{"macs": 0.7}],
    "finetune": {"epochs": 0},
    "export": ["safetensors"],
}
"""A spec whose run takes seconds, for tests that read back what a tracker sent."""
FIGURES = {"models/macs-0.5/accuracy": 0.875, "dense/accuracy": 0.9375, "search/hypervolume": 1.25}


class TrackerConformance(ComponentConformance):
    """Conformance suite for a `Tracker`. The suite lets it follow small runs that were made up."""

    slot: ClassVar[str] = "tracker"
    component: ClassVar[Tracker]

    def test_follows_a_run_to_its_end(self, tmp_path: Path) -> None:
        run = made_up_run(tmp_path)
        self._follow(run)

    def test_follows_a_run_that_continues(self, tmp_path: Path) -> None:
        run = made_up_run(tmp_path)
        tracking = self.component.begin(run)
        tracking.log({"pretrain/accuracy": 0.75})
        tracking.close()
        self._follow(run)

    def test_leaves_the_files_of_the_run_alone(self, tmp_path: Path) -> None:
        run = made_up_run(tmp_path)
        before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
        self._follow(run)
        changed = [str(path) for path, content in before.items() if not path.is_file() or path.read_bytes() != content]
        assert not changed, f"The tracker changed or removed files of the run: {', '.join(changed)}."

    def _follow(self, run: TrackedRun) -> None:
        with chdir(run.folder.parent):
            tracking = self.component.begin(run)
            tracking.log({"evolve/1/hypervolume": 0.5}, step=32)
            tracking.log({"evolve/1/hypervolume": 0.75}, step=64)
            tracking.log({"evolve/1/evaluations": 64.0, "evolve/1/seconds": 1.5})
            tracking.finish(made_up_result(run))
            tracking.close()


def made_up_run(folder: Path) -> TrackedRun:
    """Return a run with a few published files."""
    run = folder / "runs" / "made-up"
    (run / "models" / "macs-0.5").mkdir(parents=True)
    for file in ("result.json", "front.csv", "models/macs-0.5/model.safetensors"):
        (run / file).write_text(file)
    spec = {"name": "made-up", "seed": 0, "backbone": {"name": "tiny"}, "targets": [{"macs": 0.5}], "note": "x" * 1000}
    return TrackedRun("made-up", run, spec, {"device": "cpu", "versions": {"torch": "2.13.0"}})


def made_up_result(run: TrackedRun) -> TrackedResult:
    """Return results of the run, with a front of two schemes."""
    rows = [
        {"scheme": 3, "accuracy": 0.8, "measured_loss": 0.5, "predicted_loss": 0.45, "macs": 500.0, "params": 50.0},
        {"scheme": 7, "accuracy": 0.9, "measured_loss": 0.25, "predicted_loss": 0.25, "macs": 1000.0, "params": 90.0},
    ]
    return TrackedResult(FIGURES, rows, sorted(path for path in run.folder.rglob("*") if path.is_file()))
