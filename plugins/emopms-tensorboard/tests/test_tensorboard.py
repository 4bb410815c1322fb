"""The figures that TensorBoard reads are those of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from emopms_tensorboard.tracker import TensorBoard

import emopms
from emopms.testing import TrackerConformance
from emopms.testing.tracker import SMALL_SPEC

if TYPE_CHECKING:
    from pathlib import Path


class TestTensorBoard(TrackerConformance):
    component = TensorBoard()


@pytest.mark.slow
def test_what_is_read_back_equals_result_json(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = emopms.run(SMALL_SPEC | {"trackers": ["tensorboard"]}, run_dir=tmp_path / "run", device="cpu")
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
