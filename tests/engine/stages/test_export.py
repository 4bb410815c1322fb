"""Exporting: figures on test images, files of all formats, and the description of the network."""

from __future__ import annotations

from contextlib import nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest
import torch
from loguru import logger

import emopms
from emopms.api import Cost, Exporter, PrunedModel
from emopms.builtin.exporter.pt2 import Pt2
from emopms.engine.results.exported import ExportedModel
from emopms.engine.results.networks import FinetunedNetwork
from emopms.engine.session.scoring import score
from emopms.engine.stages.export import Export, describe, write_formats
from emopms.engine.storage.store import Store
from emopms.errors import ComponentError
from emopms.network.costs.cost_model import count
from tests.engine.contexts import run_stage, stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.api import Task
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


@pytest.fixture(scope="module")
def exported(artefacts: dict[str, Artefact], tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    context = tiny_context(export=["safetensors"])
    return run_stage("export/macs-0.6", context, artefacts, tmp_path_factory.mktemp("export"))


def test_figures_are_those_of_the_networks_on_test_images(
    context: Context, artefacts: dict[str, Artefact], exported: Artefact
) -> None:
    model = ExportedModel.load(exported)
    assert model == ExportedModel.load(artefacts["export/macs-0.6"]), "other formats change no figure"
    finetuned = FinetunedNetwork.load(artefacts["finetune/macs-0.6"])
    network = context.network(finetuned.state)
    measured = score(network, context.image_sets.test, context.device, exact=True)
    assert model.loss == pytest.approx(measured.loss, rel=1e-5)
    assert model.accuracy == measured.accuracy
    counted = count(network, context.example)
    assert (model.macs, model.params) == (counted.macs, counted.params)
    assert model.costs == {"macs": counted.macs, "params": counted.params}
    assert model.costs["macs"] <= 0.6 * model.dense_costs["macs"]
    before = score(context.network(finetuned.recalibrated), context.image_sets.test, context.device, exact=True)
    assert model.accuracy_before_finetune == before.accuracy
    assert (model.target, model.meets_target) == ("macs-0.6", True)


def test_all_files_of_a_model_belong_to_the_artefact(exported: Artefact) -> None:
    folder = "models/macs-0.6"
    names = ("README.md", "architecture.json", "channels.json", "channels.svg", "model.safetensors")
    assert exported.files == sorted([*(f"{folder}/{name}" for name in names), "figures.json"])
    assert b"macs-0.6" in exported.content(f"{folder}/README.md")
    assert b"](channels.svg)" in exported.content(f"{folder}/README.md")


class Wavering(Cost):
    """A cost that rises each time it is measured, as a latency may."""

    name: Literal["wavering"] = "wavering"
    measured: ClassVar[bool] = True

    def evaluate(self, genomes: Any, task: Task) -> Any:
        TIMES.append(len(TIMES))
        return genomes.mean(axis=1) + len(TIMES)


TIMES: list[int] = []


def test_a_cost_that_misses_its_bound_when_it_is_measured_again(artefacts: dict[str, Artefact], tmp_path: Path) -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    target = {"wavering": {"at_most": 1.5}}
    context = tiny_context(export=["safetensors"], objectives=["capability", Wavering()], targets=[target])
    made = Export(
        name="export/macs-0.6",
        inputs=("dense", "constrain", "finetune/macs-0.6"),
        settings={},
        target=context.spec.targets[0],
        slug="macs-0.6",
    )
    TIMES.extend([0])
    model = ExportedModel.load(run_stage(made, context, artefacts, tmp_path))
    logger.remove(sink)
    assert not model.meets_target
    assert model.costs["wavering"] > 1.5
    assert "macs-0.6: the model misses the target: its wavering is" in said[-1]


def test_a_written_network_is_loaded_as_it_was(
    context: Context, artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    network = context.network(FinetunedNetwork.load(artefacts["finetune/macs-0.6"]).state)
    images = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        expected = network(images)
    quick = tiny_context(export=["safetensors"])
    architecture = write_formats(quick, network, macs=12, params=34, folder=tmp_path)
    assert (architecture["macs"], architecture["params"]) == (12, 34)
    with torch.no_grad():
        torch.testing.assert_close(emopms.load(tmp_path)(images), expected)


@pytest.mark.parametrize("mean", [[0.5], [0.25]])
def test_the_description_holds_all_that_inputs_need(mean: list[float]) -> None:
    context = tiny_context(data={"name": "digits", "calibration": 128, "validation": 128, "mean": mean})
    found = describe(context, context.random_network(), macs=1, params=2)
    assert found["input"] == {"shape": [1, 8, 8], "mean": mean, "std": list(context.spec.data.std)}
    assert found["classes"] == list(context.source.classes)
    assert found["widths"]["stem.0"] == 8
    assert found["backbone"]["weights"] is None, "the weights are in the model's own file"
    assert found["format"] == 1
    assert found["emopms"] == version("emopms")


class Notes(Exporter):
    """Writes a file, or fails."""

    name: Literal["notes"] = "notes"
    fails: bool = False

    def export(self, model: PrunedModel, folder: Path) -> None:
        if self.fails:
            raise ValueError("no such operation")
        (folder / "notes.txt").write_text("written")


def test_exporters_of_others_are_tried_before_the_run(tmp_path: Path) -> None:
    out = Store(tmp_path).begin("export/macs-0.6", "key")
    for fails in (False, True):
        context = tiny_context(export=["safetensors", Notes(fails=fails)])
        with (
            pytest.raises(ComponentError, match=r"'notes'.* failed to export a model: ValueError: no such operation")
            if fails
            else nullcontext()
        ):
            stage("export/macs-0.6", context).check(context, out)
        assert list(tmp_path.iterdir()) == []


def test_what_emopms_is_tested_with_is_not_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Pt2, "export", lambda *_: pytest.fail("it takes seconds"))
    context = tiny_context(export=["safetensors", "pt2"])
    stage("export/macs-0.6", context).check(context, Store(tmp_path).begin("export/macs-0.6", "key"))
