"""The forecast of a run: its content, and that it changes nothing."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any, Literal

import pytest
import torch

import emopms
from emopms.builtin.data.digits import Digits
from emopms.engine.forecast.forecast import Forecast, forecast
from emopms.engine.pipeline.preflight import require_reachable_targets
from emopms.engine.timing.stopwatch import TimingEffort
from emopms.errors import DataError, SpecError
from emopms.network.costs.cost_model import count
from tests.engine.conftest import tiny

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.api import Folder, Images, Source

pytestmark = pytest.mark.slow

QUICK = TimingEffort(min_seconds=0.0, min_repetitions=1, max_seconds=0.0)
"""Times that are not compared need not be exact."""


class Unread(Digits):
    """Digits whose images may not be looked at."""

    name: Literal["digits"] = "digits"

    def open(self, folder: Folder) -> Source:
        source = super().open(folder)
        source.train = source.test = _refuse  # type: ignore[method-assign]
        return source


def _refuse() -> Images:
    raise AssertionError("images were read")


def _forecast(folder: Path, **changes: Any) -> Forecast:
    return forecast(tiny(**changes), run_dir=folder, device="cpu", effort=QUICK)


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Forecast:
    """Of the tiny spec, where nothing has run."""
    return _forecast(tmp_path_factory.mktemp("forecast") / "run")


def test_nothing_is_written_and_no_image_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = tiny(data=Unread(calibration=128, validation=128), export=["safetensors"])
    state = torch.get_rng_state()
    expected = forecast(spec, device="cpu", effort=QUICK)
    assert torch.equal(torch.get_rng_state(), state)
    assert expected.folder.as_posix() == "runs/tiny"
    assert list(tmp_path.iterdir()) == []


def test_subnetworks(new: Forecast) -> None:
    assert [part.blocks for part in new.searches] == [("stem", "stage1"), ("stage2",), ("stage3", "head")]
    network = tiny().backbone.build(input_shape=(1, 8, 8), classes=10)
    counted = count(network, torch.zeros(2, 1, 8, 8))
    assert (new.dense.macs, new.dense.params) == (counted.macs, counted.params)
    for part in new.searches:
        assert 0 < part.least.macs < part.dense.macs
        assert 0 < part.least.params < part.dense.params
        assert part.genes >= part.groups > 0
    first = new.searches[0]
    assert (first.genes, first.groups) == (8, 1)
    assert first.log10_space == pytest.approx(math.log10(2**8 - 1))
    assert first.features == 8 * 8 + 8 * 8 * 8, "what enters and what leaves"
    assert "leaves the sub-network" in first.pinned["stem.0"]


def test_evaluations_are_at_most_what_the_algorithm_asks_for(new: Forecast) -> None:
    assert new.evaluations == (1 + 8 * 4,) * 3
    assert new.refinements == 1 + 12 * tiny().refine


def test_before_a_run_everything_is_to_run_and_takes_time(new: Forecast) -> None:
    assert {stage.state for stage in new.stages} == {"absent"}
    assert [stage.name for stage in new.stages if not stage.seconds > 0] == ["join"], "which measures nothing"
    assert new.seconds == sum(stage.seconds for stage in new.stages)
    assert new.memory is not None
    assert new.memory.images == 1438 * 64
    assert new.memory.test_images == 359 * 64
    assert new.memory.features > 0
    assert new.memory.working > 0


def test_what_has_run_is_cached_and_what_depends_on_a_change_is_not(finished: emopms.Result) -> None:
    before = _files(finished.folder)
    same = _forecast(finished.folder)
    assert {stage.state for stage in same.stages} == {"complete"}
    assert same.seconds == 0
    assert same.memory is None
    changed = _forecast(finished.folder, ranker="greedy")
    to_run = [stage.name for stage in changed.stages if stage.state != "complete"]
    assert to_run == [
        "join",
        "refine",
        "measure",
        "aim/macs-0.6",
        "finetune/macs-0.6",
        "breakdown/macs-0.6",
        "export/macs-0.6",
    ]
    assert changed.memory is not None
    assert changed.memory.features > 0, "the images that refining holds"
    assert _files(finished.folder) == before


def test_what_is_damaged_or_begun_is_to_run_and_left_as_it_is(finished: emopms.Result, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    (folder / "store" / "join").rglob("schemes.npz").__next__().write_bytes(b"")
    (folder / "store" / "rank").rglob("meta.json").__next__().unlink()
    before = _files(folder)
    states = {stage.name: stage.state for stage in _forecast(folder).stages}
    assert (states["join"], states["rank"], states["pretrain"]) == ("damaged", "begun", "complete")
    assert _files(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"split": [], "constraint": "none", "finetune": {"epochs": 0}, "pretrain": {"epochs": 0}},
        {"selector": "tail", "algorithm": {"name": "sms_emoa", "pop_size": 6, "generations": 2}},
        {"selector": "feature_mse", "objectives": ["capability", "macs", "params"], "targets": [{"params": 0.5}]},
        {"finetune": {"distill": False}, "targets": [{"accuracy_drop": 0.1}]},
    ],
    ids=["whole network", "tail", "feature_mse", "accuracy"],
)
def test_other_components(changes: dict[str, Any], tmp_path: Path) -> None:
    expected = _forecast(tmp_path / "run", **{"export": ["safetensors"], **changes})
    seconds = {stage.name: stage.seconds for stage in expected.stages}
    trained = "split" not in changes and changes.get("selector") is None
    assert (seconds.pop("selectors") > 0) == trained
    assert all(value > 0 for stage, value in seconds.items() if stage != "join")


@pytest.mark.slow
def test_targets_out_of_reach_are_refused_all_at_once(tmp_path: Path) -> None:
    targets = [{"macs": 0.6}, {"macs": 0.001}, {"macs": 0.5, "params": 0.001}, {"accuracy_drop": 0.0}]
    spec = tiny(targets=targets, export=["safetensors"])
    expected = forecast(spec, run_dir=tmp_path / "run", device="cpu", effort=QUICK)
    assert 0.001 < expected.floor["macs"] < 0.5
    with pytest.raises(SpecError) as planned:
        require_reachable_targets(spec, expected.dense, expected.floor, expected.floor_without_limits)
    assert [problem.dotted for problem in planned.value.problems] == ["targets[1].macs", "targets[2].params"]
    with pytest.raises(SpecError) as run:
        emopms.run(spec, run_dir=tmp_path / "run", device="cpu")
    assert run.value.problems == planned.value.problems


def test_calibration_and_validation_must_leave_images_to_train_on(tmp_path: Path) -> None:
    fits = tiny(data={"name": "digits", "calibration": 359, "validation": 718}).data
    assert fits.held_out == 1438 - 2
    with pytest.raises(SpecError, match=r"360 calibration .* 718 validation images leave nothing to train on of 1438"):
        _forecast(tmp_path / "run", data={"name": "digits", "calibration": 360, "validation": 718})


def test_missing_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cats\.zip"):
        _forecast(tmp_path / "run", data={"name": "image_folder", "root": "cats.zip"})
