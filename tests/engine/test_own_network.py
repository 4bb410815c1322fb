"""A network of the user's own (backbone ``module``): run like any other, loaded only by who brings it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from loguru import logger

import emopms
from emopms.engine.forecast.forecast import forecast
from emopms.errors import ComponentError, NetworkError, PluginError, WeightsError
from emopms.network.costs.cost_model import count
from tests.engine.conftest import stages, tiny

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import nn

SOURCE = """
from torch import nn

print("imported")


def make(width, classes=10, dropout=0.0):
    layers = []
    for incoming in (1, width):
        layers += [nn.Conv2d(incoming, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * width, classes)]
    return nn.Sequential(*layers, *[nn.Dropout(dropout)] * (dropout > 0), *head)


def hidden(width, classes=10):
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    inside = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    head = nn.Sequential(nn.Flatten(), nn.Linear(16 * width, 2 * width), nn.ReLU(), nn.Linear(2 * width, classes))
    return nn.Sequential(nn.Conv2d(1, width, 3, 2, 1), nn.Flatten(2), inside, head)


class Starred(nn.Sequential):
    def forward(self, *images):
        return super().forward(images[0])


def starred(width, classes=10):
    return Starred(*make(width, classes))
"""
QUICK = {
    "pretrain": {"epochs": 2, "lr": 0.05, "batch_size": 32},
    "split": [],
    "constraint": "none",
    "algorithm": {"name": "random", "pop_size": 4, "generations": 2},
    "schemes": 4,
    "finetune": {"epochs": 0},
}


def _spec(**args: object) -> emopms.Spec:
    backbone = {"name": "module", "factory": "users_own_nets:make", "args": {"width": 6, **args}}
    return tiny(backbone=backbone, **QUICK)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("package")
    (folder / "users_own_nets.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
    sys.modules.pop("users_own_nets", None)


@pytest.fixture(scope="module")
def make(package: Path) -> Callable[..., nn.Module]:
    from importlib import import_module

    factory: Callable[..., nn.Module] = import_module("users_own_nets").make
    return factory


@pytest.mark.slow
def test_a_network_with_dropout_gives_the_same_bytes_again(package: Path, tmp_path: Path) -> None:
    spec = _spec(dropout=0.3).model_copy(update={"finetune": tiny().finetune})
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        result = emopms.run(spec, run_dir=tmp_path / str(seed), device="cpu")
        found.append((result.folder / "models" / "macs-0.6" / "model.safetensors").read_bytes())
        drawn = torch.rand(1)
        torch.manual_seed(seed)
        assert torch.equal(torch.rand(1), drawn), "the caller's generator is left alone"
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def own(package: Path, tmp_path_factory: pytest.TempPathFactory) -> emopms.Result:
    return emopms.run(_spec(), run_dir=tmp_path_factory.mktemp("own"), device="cpu")


@pytest.mark.slow
def test_the_network_that_the_user_makes_becomes_the_pruned_one(
    own: emopms.Result, make: Callable[..., nn.Module]
) -> None:
    folder = own.folder / "models" / "macs-0.6"
    network = emopms.load(folder, network=make(width=6))
    portable = torch.export.load(str(folder / "model.pt2")).module()
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(images), portable(images))
    assert count(network, images).macs <= 0.6 * count(make(width=6), images).macs
    assert not network.training


@pytest.mark.slow
def test_loading_never_imports_what_the_files_name(own: emopms.Result, package: Path) -> None:
    """In a fresh process in which it could be imported."""
    code = f"""
import sys
sys.path.insert(0, {str(package)!r})
import emopms
from emopms.errors import PluginError
try:
    emopms.load({str(own.folder / "models" / "macs-0.6")!r})
except PluginError as error:
    print(error.message, error.remedy)
assert "users_own_nets" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "imported" not in done.stdout
    assert "'users_own_nets:make', args: {'width': 6}" in done.stdout
    assert "no code that a model's files name is ever called" in done.stdout
    assert "load(…, network=make())" in done.stdout


def test_a_forged_model_calls_nothing(own: emopms.Result, tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    forged = {"name": "module", "factory": "os:mkdir", "args": {"path": str(trace)}}
    source = own.folder / "models" / "macs-0.6"
    architecture = json.loads((source / "architecture.json").read_text()) | {"backbone": forged}
    del architecture["checksum"]  # which a forger could compute as well
    (tmp_path / "architecture.json").write_text(json.dumps(architecture))
    (tmp_path / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    with pytest.raises(PluginError, match="os:mkdir"):
        emopms.load(tmp_path)
    assert not trace.exists()


def test_what_cannot_be_exported_is_refused_before_anything_runs(package: Path, tmp_path: Path) -> None:
    backbone = {"name": "module", "factory": "users_own_nets:starred", "args": {"width": 6}}
    with pytest.raises(ComponentError, match="exporter 'pt2'") as caught:
        emopms.run(tiny(backbone=backbone, **QUICK), run_dir=tmp_path, device="cpu")
    assert "Take pt2 out of `export`, or write the network's forward as a plain forward(self, x)" in caught.value.remedy
    left = [path.name for path in (tmp_path / "store").iterdir() if path.is_dir()]
    assert left == [], "no stage ran, and the trial left nothing"


def test_another_network_is_refused(own: emopms.Result, make: Callable[..., nn.Module]) -> None:
    with pytest.raises(WeightsError, match="does not fit"):
        emopms.load(own.folder / "models" / "macs-0.6", network=make(width=2))


def test_the_model_card_says_how_to_load_it(own: emopms.Result) -> None:
    card = (own.folder / "models" / "macs-0.6" / "README.md").read_text()
    assert 'emopms.load("path/to/this/folder", network=make())' in card


@pytest.mark.slow
def test_an_edited_factory_is_run_again(own: emopms.Result, package: Path) -> None:
    again = emopms.run(_spec(), run_dir=own.folder, device="cpu")
    assert all(stages(again).values())
    (package / "users_own_nets.py").write_text(SOURCE + "\n# edited\n")
    said: list[str] = []
    sink = logger.add(said.append, level="INFO", format="{message}", filter="emopms.engine.pipeline.code_changes")
    forecast(_spec(), run_dir=own.folder, device="cpu")
    edited = emopms.run(_spec(), run_dir=own.folder, device="cpu")
    logger.remove(sink)
    assert not stages(edited)["pretrain"]
    line = "the code of users_own_nets:make changed since the last run: pretrain and all later stages run again\n"
    assert said == [line, line], "of the plan, and of the run"


def test_layers_that_the_forward_hides_are_refused_before_anything_runs(package: Path, tmp_path: Path) -> None:
    spec = tiny(backbone={"name": "module", "factory": "users_own_nets:hidden", "args": {"width": 4}}, **QUICK)
    with pytest.raises(NetworkError, match="what its forward shows accounts for"):
        emopms.run(spec, run_dir=tmp_path, device="cpu")
    assert not list(tmp_path.glob("store/*/*"))


def test_scores_for_other_classes_than_those_of_the_data(package: Path, tmp_path: Path) -> None:
    with pytest.raises(
        NetworkError, match=r"'module' gives a tensor of shape \[7\]; the data have 10 classes"
    ) as caught:
        emopms.run(_spec(classes=7), run_dir=tmp_path, device="cpu")
    assert "one score for each class: [10]" in caught.value.remedy
