from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from loguru import logger

import emopms
from emopms.api import Baseline, Images, PruningTask
from emopms.engine.comparison.assess import Assess
from emopms.engine.comparison.compare import compare
from emopms.engine.comparison.picture import draw
from emopms.engine.stages.dense import Dense
from emopms.engine.stages.export import Export
from emopms.engine.storage.cleanup import find_removable
from emopms.engine.storage.inventory import find_runs, inspect_run
from emopms.engine.storage.store import Store
from emopms.engine.training import loop
from emopms.errors import ComponentError, SpecError
from tests.engine import test_separation
from tests.engine.comparison.conftest import compared

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.comparison.compare import Comparison
    from emopms.engine.comparison.row import Row


pytestmark = pytest.mark.slow


def test_every_method_target_and_seed_has_a_row(comparison: Comparison) -> None:
    found = {(row.method, row.target, row.seed) for row in comparison.rows}
    methods, targets = ("tiny", "l1", "eagle_eye"), ("macs-0.7", "params-0.8")
    assert found == {(method, target, seed) for method in methods for target in targets for seed in (3, 4)}
    assert len(comparison.rows) == len(found)


def test_no_spec() -> None:
    with pytest.raises(ValueError, match="at least one spec"):
        compare([])
    with pytest.raises(SpecError, match="name: this key is required"):
        compare({"version": 1})


def test_all_start_from_the_same_network_and_meet_the_bounds(comparison: Comparison) -> None:
    for seed in (3, 4):
        assert len({row.dense_accuracy for row in comparison.rows if row.seed == seed}) == 1
    for row in comparison.rows:
        assert (row.macs_share if row.target.startswith("macs") else row.params_share) <= float(row.target[-3:])
        assert 0 < row.accuracy_before <= 1
        assert row.training_epochs == (2 if row.method == "tiny" else 1)
    evaluations = {row.method: row.evaluations for row in comparison.rows}
    assert evaluations["tiny"] > evaluations["eagle_eye"] > 1
    assert evaluations["l1"] in (1, 2)


def test_what_is_written(comparison: Comparison) -> None:
    folder = comparison.folder
    rows = {path.name: json.loads(path.read_text()) for path in (folder / "rows").iterdir()}
    assert len(rows) == len(comparison.rows)
    assert rows["l1_macs-0.7_seed-3.json"]["baseline"] == {"name": "l1", "allocation": "best"}
    assert rows["tiny_macs-0.7_seed-3.json"]["baseline"] is None
    summary = json.loads((folder / "comparison.json").read_text())
    assert sorted(map(str, summary["rows"])) == sorted(map(str, rows.values()))
    for entry in summary["methods"]:
        own = [row for row in rows.values() if (row["method"], row["target"]) == (entry["method"], entry["target"])]
        accuracies = [row["accuracy"] for row in own]
        assert entry["accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
        assert entry["accuracy"]["sd"] == pytest.approx(np.std(accuracies, ddof=1))
    with (folder / "comparison.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert (folder / "comparison.svg").read_bytes() == draw(summary)
    text = (folder / "comparison.md").read_text()
    assert "## macs-0.7" in text
    assert "| **tiny** | 2 |" in text


def test_the_spec_itself_is_run_as_ever(comparison: Comparison, tmp_path: Path) -> None:
    folder = comparison.folder / "tiny-seed-3"
    alone = emopms.run(compared(), run_dir=tmp_path / "run", device="cpu")
    result = json.loads((folder / "result.json").read_text())
    assert result["models"] == alone.summary["models"]
    assert (folder / "front.csv").read_bytes() == (alone.folder / "front.csv").read_bytes()


def test_nothing_of_a_comparison_is_called_removable(comparison: Comparison) -> None:
    found = find_runs(comparison.folder)
    assert [folder.name for folder in found] == ["tiny-seed-3", "tiny-seed-4"]
    for folder in found:
        assert inspect_run(folder).state == "finished"
        assert not find_removable(folder).removable


def test_nothing_is_repeated(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "descend", _never)
    monkeypatch.setattr(PruningTask, "measure", _never)
    before = {path: path.read_bytes() for path in comparison.folder.glob("*.*")}
    again = compare(compared(), run_dir=comparison.folder, device="cpu")
    assert again.rows == comparison.rows
    assert {path: path.read_bytes() for path in comparison.folder.glob("*.*")} == before


def test_a_comparison_without_latencies_gets_them_and_nothing_else(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(comparison.folder, tmp_path / "earlier")
    for latencies in folder.glob("*/store/latency"):
        shutil.rmtree(latencies)
    monkeypatch.setattr(loop, "descend", _never)
    monkeypatch.setattr(PruningTask, "measure", _never)
    again = compare(compared(), run_dir=folder, device="cpu")
    assert list(map(_without_latency, again.rows)) == list(map(_without_latency, comparison.rows))
    assert all(row.speedup == pytest.approx(row.dense_latency_ms / row.latency_ms) for row in again.rows)
    written = [json.loads((folder / row.file).read_text()) for row in again.rows]
    assert [row["latency_ms"] for row in written] == [row.latency_ms for row in again.rows]


def test_without_matplotlib_there_is_no_picture(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said = shutil.copytree(comparison.folder, tmp_path / "copy"), list[str]()
    (folder / "comparison.svg").unlink()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    sink = logger.add(said.append, level="INFO", format="{message}")
    try:
        compare(compared(), run_dir=folder, device="cpu")
    finally:
        logger.remove(sink)
    assert not (folder / "comparison.svg").exists()
    assert [line for line in said if "emopms[plot]" in line] == [
        "comparison.svg is not made, because matplotlib is not installed: pip install 'emopms[plot]'\n"
    ]


def _without_latency(row: Row) -> Row:
    return replace(row, latency_ms=0.0, dense_latency_ms=0.0, speedup=0.0)


def _never(*arguments: Any, **more: Any) -> Any:
    raise AssertionError("something was computed again")


class _KilledError(BaseException):
    pass


def test_a_killed_comparison_goes_on(comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = compared(seeds=[3], finetune={"epochs": 2})
    whole = compare(spec, run_dir=tmp_path / "whole", device="cpu")
    saved, calls, save = [], 0, loop._save

    def killed(*arguments: Any) -> None:
        nonlocal calls
        save(*arguments)
        calls += 1
        saved.append(arguments[2])
        if (
            calls == 2 + 1 + 1 + 4 + 1
        ):  # pre-training, selectors, constraint, the spec's targets, and a baseline's first epoch
            raise _KilledError

    monkeypatch.setattr(loop, "_save", killed)
    with pytest.raises(_KilledError):
        compare(spec, run_dir=tmp_path / "killed", device="cpu")
    assert len(list((tmp_path / "killed" / "rows").iterdir())) == 2
    saved.clear()
    continued = compare(spec, run_dir=tmp_path / "killed", device="cpu")
    assert saved[0] == 2, "the first epoch of the interrupted row was not trained again"
    for row, wanted in zip(continued.rows, whole.rows, strict=True):
        assert (row.method, row.accuracy, row.accuracy_before) == (
            wanted.method,
            wanted.accuracy,
            wanted.accuracy_before,
        )


def test_losses_that_a_killed_baseline_measured_are_not_measured_again(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = compared(seeds=[3], targets=[{"macs": 0.7}], baselines=[{"name": "eagle_eye", "candidates": 50}])
    measured, measure = 0, PruningTask.measure

    def counted(task: PruningTask, genomes: Any) -> Any:
        nonlocal measured
        if measured == 4:
            measured += 1
            raise _KilledError
        measured += len(genomes)
        return measure(task, genomes)

    monkeypatch.setattr(PruningTask, "measure", counted)
    monkeypatch.setattr("emopms.api.baseline._AT_ONCE", 2)
    with pytest.raises(ComponentError, match="_KilledError"):
        compare(spec, run_dir=tmp_path, device="cpu")
    measured = 100
    (row,) = [row for row in compare(spec, run_dir=tmp_path, device="cpu").rows if row.method == "eagle_eye"]
    assert measured - 100 == row.evaluations - 4


def test_several_specs_share_what_they_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compared(seeds=[3], targets=[{"macs": 0.7}], baselines=["random"])
    second = compared(seeds=[3], targets=[{"macs": 0.7}], baselines=[], name="whole", split=[], constraint="none")
    found = compare([first, second], run_dir=tmp_path, device="cpu")
    assert [row.method for row in found.rows] == ["tiny", "random", "whole"]
    assert len({row.dense_accuracy for row in found.rows}) == 1
    metas = [
        json.loads(next((tmp_path / f"{name}-seed-3").glob("store/pretrain/*/meta.json")).read_text())
        for name in ("tiny", "whole")
    ]
    assert metas[0]["seconds"] == metas[1]["seconds"], "it was copied and not trained again"
    for name in ("tiny", "whole"):
        assert Store(tmp_path / f"{name}-seed-3" / "store").read_plan()


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"name": "tiny"}, "name", "another spec of the comparison has this name"),
        ({"finetune": {"epochs": 2}}, "finetune", "differs from that of 'tiny'"),
        ({"targets": [{"macs": 0.5}]}, "targets", "differs from that of 'tiny'"),
    ],
)
def test_specs_that_do_not_compare(changes: dict[str, Any], key: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        compare([compared(), compared(**({"name": "other"} | changes))], run_dir=tmp_path / "not", device="cpu")
    assert caught.value.problems[0].path[0] == key
    assert not (tmp_path / "not").exists()


def test_baselines_need_a_bound_on_costs(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no bound on costs alone"):
        compare(compared(targets=[{"macs": 0.5}, {"accuracy_drop": 0.1}]), run_dir=tmp_path, device="cpu")


class Wrong(Baseline):
    """Answers what it is told to."""

    name: Literal["wrong"] = "wrong"
    answer: str = "dense"
    """What it answers."""

    def prune(self, task: PruningTask) -> Any:
        dense = task.subnetwork.dense
        return {"dense": dense, "numbers": dense * 0.5, "nothing": ~dense}[self.answer]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("dense", "not within the bounds {'macs':"),
        ("numbers", "instead of booleans"),
        ("nothing", "a group or a layer keeps too few channels"),
    ],
)
def test_wrong_answers_are_refused(answer: str, said: str, comparison: Comparison, tmp_path: Path) -> None:
    spec = compared(seeds=[3], targets=[{"macs": 0.7}], baselines=[Wrong(answer=answer)], constraint="none")
    with pytest.raises(ComponentError, match="baseline 'wrong' .* failed to choose channels: .*" + said):
        compare(spec, run_dir=tmp_path, device="cpu")


def test_only_final_figures_come_from_test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = 0

    def opened(original: Any) -> Any:
        def run(*arguments: Any) -> None:
            nonlocal allowed
            allowed += 1
            original(*arguments)
            allowed -= 1

        return run

    def check(images: Images) -> Images:
        assert allowed, "test images were read too early"
        return images

    for stage in (Dense, Export, Assess):
        monkeypatch.setattr(stage, "run", opened(stage.run))
    monkeypatch.setattr(test_separation, "_on_test", check)
    data = test_separation.Watched(calibration=128, validation=128)
    # Dense comes first and keeps the images, so that only a comparison that starts anew would tell.
    spec = compared(data=data, seeds=[3], targets=[{"macs": 0.7}], baselines=["l1", "thinet", "ccep"])
    assert len(compare(spec, run_dir=tmp_path, device="cpu").rows) == 4
