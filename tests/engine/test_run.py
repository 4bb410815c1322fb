"""The whole method on real data."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

import emopms
from emopms.builtin.algorithm.nsga2 import Nsga2
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.data.digits import Digits
from emopms.builtin.exporter.safetensors import Safetensors
from emopms.builtin.objective.capability import Capability
from emopms.builtin.objective.macs import Macs
from emopms.builtin.split.at import At
from emopms.engine.session.context import Context
from emopms.engine.storage.inventory import inspect_run
from emopms.engine.support.component_calls import guarded_call
from emopms.engine.support.log_sinks import RunLog, logging_to
from emopms.errors import ComponentError, UnmetTargetError
from emopms.network.costs.cost_model import count
from emopms.testing.unchanged import Snapshot
from tests.engine.conftest import stages, tiny, weights, without_times

if TYPE_CHECKING:
    from emopms.engine.storage.artefact import Artefact
    from emopms.network.partition.divided_network import DividedNetwork


def test_a_spec_made_of_components_equals_one_read_from_yaml() -> None:
    parts = {
        "backbone": SmallResNet(widths=(8, 8, 16)),
        "data": Digits(calibration=128, validation=128, augment=("flip", "crop")),
        "split": At(points=("stage1", "stage2")),
        "objectives": (Capability(), Macs()),
        "algorithm": Nsga2(pop_size=8, generations=4),
    }
    assert tiny(**parts) == tiny()


def test_result_says_what_was_made(finished: emopms.Result) -> None:
    written = json.loads((finished.folder / "result.json").read_text())
    assert written == finished.summary
    dense, (model,) = written["dense"], written["models"]
    assert set(dense) == {"accuracy", "balanced_accuracy", "recall", "loss", "macs", "params"}
    assert model["target"] == "macs-0.6"
    assert model["macs"] <= 0.6 * dense["macs"]
    assert model["macs_cut"] == 1 - model["macs"] / dense["macs"]
    assert model["params_cut"] == 1 - model["params"] / dense["params"]
    assert 0 < model["accuracy_before_finetune"] <= 1
    assert model["accuracy"] > 0.5, "a network that has learnt digits tells most of them apart"
    assert written["search"]["evaluations"] > 3 * 8
    assert 0 < written["search"]["hypervolume"] <= written["search"]["hypervolume_reference"][0]
    assert -1 <= written["rank"]["kendall_tau"] <= 1
    assert [stage["name"] for stage in written["stages"]] == [
        *("pretrain", "selectors", "constrain", "evolve/1", "evolve/2", "evolve/3", "rank", "join"),
        *("refine", "measure", "aim/macs-0.6", "finetune/macs-0.6"),
        *("dense", "breakdown/macs-0.6", "export/macs-0.6"),
    ]


def test_log_and_manifest_say_which_images_served_for_what(finished: emopms.Result) -> None:
    line = "images: training 1,054, calibration 128, ranking 128, validation 128, test 359\n"
    assert line in (finished.folder / "run.log").read_text()
    counts = json.loads((finished.folder / "manifest.json").read_text())["data"]["images"]
    assert counts == {"training": 1054, "calibration": 128, "ranking": 128, "validation": 128, "test": 359}


def test_the_model_is_physically_smaller(finished: emopms.Result) -> None:
    (model,) = finished.summary["models"]
    counted = count(emopms.load(finished.folder / model["path"]), torch.zeros(2, 1, 8, 8))
    assert (counted.macs, counted.params) == (model["macs"], model["params"])


def test_both_formats_give_the_same_outputs(finished: emopms.Result) -> None:
    folder = finished.folder / "models" / "macs-0.6"
    images = torch.randn(7, 1, 8, 8)
    expected = emopms.load(folder)(images)
    portable = torch.export.load(folder / "model.pt2").module()
    torch.testing.assert_close(portable(images), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(portable(images[:1]), expected[:1], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_fresh_process_reads_the_pt2_file_without_emopms(finished: emopms.Result) -> None:
    code = (
        "import sys, torch; network = torch.export.load(sys.argv[1]).module(); "
        "assert network(torch.zeros(3, 1, 8, 8)).shape == (3, 10); assert 'emopms' not in sys.modules"
    )
    model = finished.folder / "models" / "macs-0.6" / "model.pt2"
    subprocess.run([sys.executable, "-c", code, str(model)], check=True)


def test_the_front_holds_the_chosen_scheme_and_dominates_nothing_of_itself(finished: emopms.Result) -> None:
    with (finished.folder / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ["scheme", "on_front", "predicted_loss", "measured_loss", "accuracy", "macs", "params", "models"]
    assert list(rows[0]) == names
    assert [int(row["macs"]) for row in rows] == sorted(int(row["macs"]) for row in rows)
    losses = [float(row["measured_loss"]) for row in rows if row["on_front"] == "1"]
    assert losses == sorted(losses, reverse=True), "more MACs are only on the front for less loss"
    assert finished.summary["models"][0]["scheme"] in [int(row["scheme"]) for row in rows]


def test_the_run_directory_documents_itself(finished: emopms.Result) -> None:
    manifest = json.loads((finished.folder / "manifest.json").read_text())
    assert manifest["seed"] == 3
    assert manifest["versions"]["torch"] == version("torch")
    assert emopms.load_spec(finished.folder / "spec.resolved.yaml") == tiny()
    card = (finished.folder / "models" / "macs-0.6" / "README.md").read_text()
    assert f"{finished.summary['models'][0]['accuracy']:.2%}" in card
    assert "export" in (finished.folder / "run.log").read_text()


def test_a_second_run_takes_every_stage_from_the_store(finished: emopms.Result) -> None:
    again = emopms.run(tiny(), run_dir=finished.folder, device="cpu")
    assert all(stages(again).values())
    assert without_times(again.summary) == without_times(finished.summary)


@pytest.mark.slow
def test_the_same_spec_gives_the_same_result_elsewhere(
    finished: emopms.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constrained, seen = Context.constrained, []

    def watched(self: Context, artefact: Artefact) -> DividedNetwork:
        found = constrained(self, artefact)
        seen.append((found, Snapshot(found.network)))
        return found

    monkeypatch.setattr(Context, "constrained", watched)
    again = emopms.run(tiny(), run_dir=tmp_path / "again", device="cpu")
    (first, before), *others = seen
    assert len(others) >= 4
    assert all(other is first for other, _ in others)
    assert not before.changes(), "stages share a network that none of them changes"
    assert not any(stages(again).values())
    assert without_times(again.summary) == without_times(finished.summary)
    assert (again.folder / "front.csv").read_bytes() == (finished.folder / "front.csv").read_bytes()
    for name, tensor in weights(again.folder).items():
        assert torch.equal(tensor, weights(finished.folder)[name])


@pytest.mark.slow
def test_changes_repeat_only_what_depends_on_them(finished: emopms.Result, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(finished.folder, folder)
    more = emopms.run(tiny(targets=[{"macs": 0.6}, {"params": 0.8}]), run_dir=folder, device="cpu")
    assert [name for name, cached in stages(more).items() if not cached] == [
        f"{stage}/params-0.8" for stage in ("aim", "finetune", "breakdown", "export")
    ]
    greedy = emopms.run(tiny(ranker="greedy"), run_dir=folder, device="cpu")
    made = [name for name, cached in stages(greedy).items() if not cached]
    assert made == [
        "join",
        "refine",
        "measure",
        "aim/macs-0.6",
        "finetune/macs-0.6",
        "breakdown/macs-0.6",
        "export/macs-0.6",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"split": [], "constraint": "none"},
        {"selector": "tail", "algorithm": {"name": "sms_emoa", "pop_size": 6, "generations": 2}},
        {"selector": "feature_mse", "algorithm": {"name": "random", "pop_size": 8, "generations": 2}},
        {
            "objectives": ["capability", "macs", "params"],
            "algorithm": {"name": "spea2", "pop_size": 8, "generations": 2},
        },
    ],
    ids=["whole network", "tail", "feature_mse", "three objectives"],
)
def test_other_components_take_the_same_road(changes: dict[str, object], tmp_path: Path) -> None:
    spec = tiny(finetune={"epochs": 0}, export=["safetensors"], targets=[{"macs": 0.9, "params": 0.9}], **changes)
    result = emopms.run(spec, run_dir=tmp_path / "run", device="cpu")
    (model,) = result.summary["models"]
    assert model["macs_cut"] >= 0.1
    assert model["params_cut"] >= 0.1
    assert model["accuracy"] == model["accuracy_before_finetune"], "no fine-tuning, no change"


@pytest.mark.slow
def test_an_accuracy_target_takes_the_fewest_macs_within_it(finished: emopms.Result, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    result = emopms.run(tiny(targets=[{"accuracy_drop": 0.2}]), run_dir=folder, device="cpu")
    with (folder / "front.csv").open() as file:
        rows = list(csv.DictReader(file))
    (score,) = (folder / "store" / "pretrain").rglob("score.json")
    within = [row for row in rows if float(row["accuracy"]) >= json.loads(score.read_text())["accuracy"] - 0.2]
    assert result.summary["models"][0]["macs"] <= min(int(row["macs"]) for row in within)


def test_models_that_were_deleted_come_back(finished: emopms.Result, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    shutil.rmtree(folder / "models")
    again = emopms.run(tiny(), run_dir=folder, device="cpu")
    assert all(stages(again).values())
    assert (folder / "models" / "macs-0.6" / "model.pt2").exists()


@pytest.mark.slow
def test_models_of_dropped_targets_stay(finished: emopms.Result, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    emopms.run(tiny(targets=[{"macs": 0.9}], finetune={"epochs": 0}), run_dir=folder, device="cpu")
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["macs-0.6", "macs-0.9"]
    for name, tensor in weights(folder).items():
        assert torch.equal(tensor, weights(finished.folder)[name])


@pytest.mark.slow
def test_a_user_s_own_files_in_the_run_directory_stay(finished: emopms.Result, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    mine = [folder / "models" / "notes.txt", folder / "models" / "macs-0.6" / "trained_further.pt"]
    for path in mine:
        path.write_text("mine")
    (folder / "models" / "macs-0.6" / "README.md").write_text("my own words")
    emopms.run(tiny(finetune={"epochs": 0}), run_dir=folder, device="cpu")
    assert [path.read_text() for path in mine] == ["mine", "mine"]
    assert (folder / "models" / "macs-0.6" / "README.md.kept").read_text() == "my own words"


@pytest.mark.slow
def test_each_stage_says_what_made_it(finished: emopms.Result, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    before = json.loads((folder / "manifest.json").read_text())["stages"]
    assert before["pretrain"]["versions"]["torch"] == version("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        emopms.run(tiny(finetune={"epochs": 0}), run_dir=folder, device="cpu")
    finally:
        torch.set_num_threads(threads)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["threads"] == manifest["stages"]["export/macs-0.6"]["threads"] == threads + 1
    assert manifest["stages"]["pretrain"] == before["pretrain"], "which was not run again"


@pytest.mark.slow
def test_a_damaged_export_is_made_again(finished: emopms.Result, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    (path,) = (folder / "store" / "export-macs-0.6").rglob("model.safetensors")
    path.write_bytes(path.read_bytes()[:50])
    again = emopms.run(tiny(), run_dir=folder, device="cpu")
    assert [name for name, cached in stages(again).items() if not cached] == ["export/macs-0.6"]
    for name, tensor in weights(folder).items():
        assert torch.equal(tensor, weights(finished.folder)[name])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
def test_a_full_disk_is_named_whoever_meets_it(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        logging_to(RunLog(Path("/dev/full")), level="DEBUG"),
        pytest.raises(ComponentError, match="No space left") as error,
        guarded_call(Safetensors(), "export a model"),
    ):
        Path("/dev/full").write_text("weights")
    assert error.value.remedy.startswith("Free space")
    assert capfd.readouterr().err == "", "what the log has no room for is no news"


@pytest.mark.slow
def test_a_target_that_no_scheme_meets_does_not_take_the_others_along(tmp_path: Path) -> None:
    unmet = {"macs": 0.35, "accuracy_drop": 1e-6}
    spec = tiny(targets=[unmet, {"macs": 0.6}], aim=0)
    for _ in range(2):  # also from the store
        with pytest.raises(UnmetTargetError, match=r"meets the target macs-0\.35_accuracy_drop-1e-06"):
            emopms.run(spec, run_dir=tmp_path / "run", device="cpu")
        result = emopms.Result(tmp_path / "run")
        assert list(result.models) == ["macs-0.6"]
        assert len(result.front) > 3
        found = inspect_run(tmp_path / "run")
        assert (found.state, "No scheme that the search found meets" in found.detail) == ("failed", True)
    with pytest.raises(UnmetTargetError):
        emopms.run(tiny(targets=[unmet], aim=0), run_dir=tmp_path / "none", device="cpu")
    assert not (tmp_path / "none" / "result.json").exists()
