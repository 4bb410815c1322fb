"""Pruning with nothing but photos: what the dense network as given says takes the place of labels."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import nn

import emopms
from emopms.api import Folder
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.data.digits import Digits
from emopms.cli.terminal import closing_table
from emopms.engine.pipeline.preflight import prepare
from emopms.engine.support.progress import Silent
from emopms.engine.training.losses import supervised_loss
from emopms.errors import SpecError
from emopms.network.runtime.device import Device
from emopms.spec.settings import FinetuneSettings
from tests.engine.conftest import Unlabelled

if TYPE_CHECKING:
    from emopms.engine.session.context import Context

pytestmark = pytest.mark.slow

SPEC = """\
version: 1
name: photos
backbone: {name: small_resnet, widths: [4, 8], weights: dense.safetensors}
data: {name: photos, root: photos, size: 8, classes: 6, calibration: 16, validation: 16, test: 0.25}
pretrain: {epochs: 0}
split: [stage1]
constraint: none
selector: feature_mse
objectives: [agreement, macs]
algorithm: {name: random, pop_size: 4, generations: 2}
schemes: 4
targets: [{macs: 0.7}]
finetune: {epochs: 1, alpha: 1.0, batch_size: 16}
export: [safetensors]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Noise for photos, in folders that mean nothing, and a network with an opinion about it."""
    noise = np.random.RandomState(0).randint(0, 256, (80, 9, 12, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        path = tmp_path / "photos" / f"roll {number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    torch.manual_seed(0)
    network = SmallResNet(widths=(4, 8)).build(input_shape=(3, 8, 8), classes=6)
    save_file(network.state_dict(), tmp_path / "dense.safetensors")
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


@pytest.fixture(scope="module")
def pruned(unlabelled: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> emopms.Result:
    return emopms.run(
        emopms.Spec.model_validate(unlabelled), run_dir=tmp_path_factory.mktemp("unlabelled"), device="cpu"
    )


def _dense(spec: dict[str, Any]) -> nn.Module:
    network = SmallResNet(widths=(8, 8, 16)).build(input_shape=(1, 8, 8), classes=10)
    network.load_state_dict(load_file(spec["backbone"]["weights"]))
    return network.eval()


def _says(network: nn.Module, pixels: np.ndarray[Any, Any]) -> torch.Tensor:
    """What a network sees in images; alone, without the engine."""
    mean, std = Digits().mean[0], Digits().std[0]
    with torch.no_grad():
        return network((torch.from_numpy(pixels).float() / 255 - mean) / std).argmax(dim=1)  # type: ignore[no-any-return]


def test_figures_are_agreement_with_the_network_as_given(pruned: emopms.Result, unlabelled: dict[str, Any]) -> None:
    pixels = Digits().open(None).test().pixels  # type: ignore[arg-type]
    (model,) = pruned.summary["models"]
    agree = _says(emopms.load(pruned.folder / model["path"]), pixels) == _says(_dense(unlabelled), pixels)
    assert pruned.summary["quality"] == "agreement"
    assert pruned.summary["dense"]["accuracy"] == 1
    assert model["accuracy"] == pytest.approx(float(agree.double().mean()), abs=1e-9)
    assert 0.5 < model["accuracy"] < 1


def test_keys_are_the_same_with_labels_and_without(finished: emopms.Result, pruned: emopms.Result) -> None:
    assert finished.summary["quality"] == "accuracy"
    assert pruned.summary.keys() == finished.summary.keys()
    assert pruned.summary["models"][0].keys() == finished.summary["models"][0].keys()


def _context(spec: dict[str, Any]) -> Context:
    folder = Folder(Path(), "digits and absolute paths need none")
    return prepare(emopms.Spec.model_validate(spec), folder=folder, device=Device("cpu"), progress=Silent()).context


@pytest.mark.parametrize("part", ["train", "calibration", "validation", "test"])
def test_every_part_gets_its_labels_from_the_network_as_given(unlabelled: dict[str, Any], part: str) -> None:
    dense, context = _dense(unlabelled), _context(unlabelled)
    for images, labels in getattr(context.image_sets, part).batches(100):
        with torch.no_grad():
            assert torch.equal(dense(images).argmax(dim=1), labels)


def test_labels_do_not_depend_on_the_number_format_of_the_run(unlabelled: dict[str, Any]) -> None:
    context = _context(unlabelled)
    rough = replace(context, device=Device("cpu", bf16=True))
    for (_, exact), (_, found) in zip(
        context.image_sets.train.batches(1000), rough.image_sets.train.batches(1000), strict=True
    ):
        assert torch.equal(exact, found)


def test_the_card_and_the_table_say_agreement(
    pruned: emopms.Result, finished: emopms.Result, unlabelled: dict[str, Any]
) -> None:
    for result, said, unsaid in ((pruned, "agreement", "accuracy"), (finished, "accuracy", "agreement")):
        console = Console(file=io.StringIO(), width=150)
        console.print(closing_table(result.summary, result.folder))
        table = console.file.getvalue()  # type: ignore[attr-defined]
        card = (result.folder / "models" / "macs-0.6" / "README.md").read_text()
        for text in (card, table):
            assert said in text
            assert unsaid not in text


def test_photos_in_any_folders_are_enough(folder: Path) -> None:
    result = emopms.run(folder / "spec.yaml", run_dir=folder / "run", device="cpu")
    assert result.summary["dense"]["accuracy"] == 1
    assert json.loads((folder / "run" / "result.json").read_text())["quality"] == "agreement"
    log = (folder / "run" / "run.log").read_text()
    assert "validation agreement" in log
    assert "accuracy" not in log


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        (", weights: dense.safetensors", "", 3, "backbone: has no weights, and the data 'photos' have no"),
        ("{epochs: 0}", "{epochs: 3}", 5, "no labels to train on for 3 epochs"),
    ],
    ids=["weights", "epochs"],
)
def test_a_dense_network_that_knows_nothing_is_refused(
    folder: Path, before: str, after: str, line: int, said: str
) -> None:
    assert before in SPEC
    (folder / "spec.yaml").write_text(SPEC.replace(before, after))
    with pytest.raises(SpecError, match=said) as caught:
        emopms.run(folder / "spec.yaml", run_dir=folder / "run", device="cpu")
    (problem,) = caught.value.problems
    assert problem.line == line
    assert problem.remedy


@pytest.mark.parametrize(("alpha", "looks"), [(1.0, False), (0.9, True)])
def test_with_alpha_1_distillation_looks_at_no_label(alpha: float, looks: bool) -> None:
    torch.manual_seed(0)
    student, teacher = (nn.Sequential(nn.Flatten(), nn.Linear(4, 3)) for _ in range(2))
    loss = supervised_loss(FinetuneSettings(alpha=alpha), student, teacher)
    images, rng = torch.randn(6, 1, 2, 2), torch.Generator()
    one, other = (loss(images, torch.full((6,), label), rng) for label in (0, 1))
    assert (one != other) == looks
    assert one.requires_grad


def test_the_data_of_these_tests_would_not_survive_being_looked_at() -> None:
    labels = torch.from_numpy(Unlabelled().open(None).train().labels)  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        nn.functional.cross_entropy(torch.zeros(len(labels), 10), labels)
