"""Exporting: figures on test images, files of all formats, and the description of the network."""

from __future__ import annotations

from contextlib import nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

import pytest
import torch

import emopms
from emopms.api import Exporter, PrunedModel
from emopms.builtin.exporter.pt2 import Pt2
from emopms.engine.results.exported import Exports
from emopms.engine.results.networks import DenseNetwork, FinetunedNetwork
from emopms.engine.session.scoring import score
from emopms.engine.stages.export import describe, write_formats
from emopms.engine.storage.store import Store
from emopms.errors import ComponentError
from emopms.network.costs.cost_model import count
from tests.engine.contexts import run_stage, stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


@pytest.fixture(scope="module")
def exported(artefacts: dict[str, Artefact], tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    context = tiny_context(export=["safetensors"])
    return run_stage("export", context, artefacts, tmp_path_factory.mktemp("export"))


def test_figures_are_those_of_the_networks_on_test_images(
    context: Context, artefacts: dict[str, Artefact], exported: Artefact
) -> None:
    exports = Exports.load(exported)
    assert exports == Exports.load(artefacts["export"]), "other formats change no figure"
    finetuned = FinetunedNetwork.load(artefacts["finetune/macs-0.6"])
    (model,) = exports.models
    for state, figures in ((DenseNetwork.load(artefacts["pretrain"]).state, exports.dense), (finetuned.state, model)):
        network = context.network(state)
        measured = score(network, context.image_sets.test, context.device, exact=True)
        assert figures.loss == pytest.approx(measured.loss, rel=1e-5)
        assert figures.accuracy == measured.accuracy
        counted = count(network, context.example)
        assert (figures.macs, figures.params) == (counted.macs, counted.params)
    before = score(context.network(finetuned.recalibrated), context.image_sets.test, context.device, exact=True)
    assert model.accuracy_before_finetune == before.accuracy
    assert (model.target, model.scheme) == ("macs-0.6", finetuned.scheme)


def test_all_files_of_a_model_belong_to_the_artefact(exported: Artefact) -> None:
    folder = "models/macs-0.6"
    names = [f"{folder}/{name}" for name in ("README.md", "architecture.json", "model.safetensors")]
    assert exported.files == sorted([*names, "scores.json"])
    assert b"macs-0.6" in exported.content(f"{folder}/README.md")


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
    out = Store(tmp_path).begin("export", "key")
    for fails in (False, True):
        context = tiny_context(export=["safetensors", Notes(fails=fails)])
        with (
            pytest.raises(ComponentError, match=r"'notes'.* failed to export a model: ValueError: no such operation")
            if fails
            else nullcontext()
        ):
            stage("export", context).check(context, out)
        assert list(tmp_path.iterdir()) == []


def test_what_emopms_is_tested_with_is_not_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Pt2, "export", lambda *_: pytest.fail("it takes seconds"))
    context = tiny_context(export=["safetensors", "pt2"])
    stage("export", context).check(context, Store(tmp_path).begin("export", "key"))
