"""The figures that TensorBoard reads are those of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from emopms_tensorboard.tracker import TensorBoard

import emopms
from emopms.testing import TrackerConformance

if TYPE_CHECKING:
    from pathlib import Path

SPEC: dict[str, Any] = {
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


class TestTensorBoard(TrackerConformance):
    component = TensorBoard()


@pytest.mark.slow
def test_what_is_read_back_equals_result_json(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = emopms.run(SPEC | {"trackers": ["tensorboard"]}, run_dir=tmp_path / "run", device="cpu")
    read = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    read.Reload()
    (model,) = result.summary["models"]

    def value(name: str) -> float:
        figure: float = read.Scalars(name)[-1].value
        return figure

    for name, expected in {
        "dense/accuracy": result.summary["dense"]["accuracy"],
        "models/macs-0.7/accuracy": model["accuracy"],
        "models/macs-0.7/macs": model["macs"],
        "models/macs-0.7/costs/params": model["params"],
        "search/hypervolume": result.summary["search"]["hypervolume"],
        "rank/kendall_tau": result.summary["rank"]["kendall_tau"],
    }.items():
        assert value(name) == pytest.approx(expected, rel=1e-6), name
    assert [event.step for event in read.Scalars("evolve/1/hypervolume")] == sorted(
        event.step for event in read.Scalars("evolve/1/hypervolume")
    )
    shares = {round(1000 * point.shares["macs"]) for point in result.front}
    assert {event.step for event in read.Scalars("front/accuracy")} == shares
    assert {"spec/text_summary", "machine/text_summary", "front/text_summary"} <= set(read.Tags()["tensors"])
