"""The code of plugins counts: what its former self has stored is not met again."""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import torch

import emopms
from emopms.api import Cost
from emopms.engine.pipeline.code_fingerprint import _hash, code_fingerprint
from emopms.engine.pipeline.plan import plan
from emopms.errors import PluginError, WeightsError
from emopms.source_files import hash_of_file_and_imports
from emopms.spec import load_spec
from emopms.spec.scalars import dump
from tests.engine.conftest import TINY, stages, tiny

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from emopms.api import Task

PLUGIN = """\
from typing import Literal
from emopms.api import Cost
from emopms.builtin.backbone.small_resnet import SmallResNet

class Channels(Cost):
    \"\"\"Channels kept.\"\"\"
    name: Literal["channels"] = "channels"

    def evaluate(self, genomes, task):
        return genomes.sum(axis=1).astype(float)

class Net(SmallResNet):
    \"\"\"A small residual network.\"\"\"
    name: Literal["my_net"] = "my_net"
"""

FAST: dict[str, Any] = {
    "plugins": ["mine.py"],
    "objectives": ["capability", "channels", "macs"],
    "algorithm": {"name": "nsga2", "pop_size": 4, "generations": 2},
    "targets": [{"macs": 0.9}],
    "finetune": {"epochs": 0},
    "schemes": 4,
    "export": ["safetensors"],
}


AFTER_A_SEARCH = ("rank", "join", "refine", "measure", "aim", "finetune", "breakdown", "export")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(PLUGIN)
    path = tmp_path / "spec.yaml"
    path.write_text(dump(TINY | FAST))
    return path


def edit(spec: Path, more: str = "# edited\n") -> None:
    path = spec.parent / "mine.py"
    path.write_text(path.read_text() + more)


def keys(spec: emopms.Spec) -> dict[str, str]:
    planned = plan(spec, points=["stage1", "stage2"], fingerprint="data", device="cpu")
    return {step.stage.name: step.key for step in planned}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name.split("/")[0] for name, key in after.items() if before[name] != key}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([], {"evolve", *AFTER_A_SEARCH}),
        (["objectives=[capability, macs]"], set()),
        (
            ["backbone={name: my_net, widths: [8, 8, 16]}"],
            {"pretrain", "selectors", "constrain", "evolve", "dense", *AFTER_A_SEARCH},
        ),
    ],
)
def test_an_edited_plugin_changes_what_uses_it(spec: Path, settings: list[str], expected: set[str]) -> None:
    before = keys(load_spec(spec, settings))
    edit(spec)
    assert changed(before, keys(load_spec(spec, settings))) == expected


def test_a_spec_read_before_the_edit_keeps_its_keys(spec: Path) -> None:
    read = load_spec(spec)
    before = keys(read)
    edit(spec)
    assert keys(read) == before
    assert keys(load_spec(spec)) != before


def test_the_place_of_a_plugin_does_not_matter(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "mine.py").write_text(PLUGIN)
    moved = tmp_path / "inner" / "spec.yaml"
    moved.write_text(spec.read_text())
    assert keys(load_spec(moved)) == keys(load_spec(spec))


def test_built_in_components_have_versions_instead() -> None:
    assert code_fingerprint(tiny(), emopms.Spec.model_fields) == {}


def test_a_class_without_any_source(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("from_nowhere")
    monkeypatch.setitem(sys.modules, "from_nowhere", module)
    exec(PLUGIN, module.__dict__)
    spec = tiny(objectives=["capability", module.Channels(), "macs"])
    with pytest.raises(PluginError, match="source of the objective Channels cannot be read") as caught:
        code_fingerprint(spec, ["objectives"])
    assert "into a file" in caught.value.remedy


class Sum(Cost):
    """Holds other components."""

    name: str = "sum"
    parts: tuple[Cost, ...] = ()

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        raise NotImplementedError


def test_components_within_components_count(spec: Path) -> None:
    (channels,) = (each for each in load_spec(spec).objectives if each.name == "channels")
    assert isinstance(channels, Cost)
    found = code_fingerprint(tiny(objectives=["capability", Sum(parts=(channels,))]), ["objectives"])
    assert set(found) == {"objective/sum", "objective/channels"}


@pytest.mark.slow
def test_a_run_with_a_plugin_file(spec: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    spec.write_text(dump(TINY | FAST | {"backbone": {"name": "my_net", "widths": [8, 8, 16]}}))
    first = emopms.run(spec, run_dir=path, device="cpu")
    assert all(stages(emopms.run(spec, run_dir=path, device="cpu")).values())

    manifest = json.loads((path / "manifest.json").read_text())
    assert set(manifest["plugins"]) == {"objective/channels", "backbone/my_net"}
    assert load_spec(path / "spec.resolved.yaml") == load_spec(spec)

    model = path / first.summary["models"][0]["path"]
    with pytest.raises(PluginError, match="needs the backbone 'my_net'") as caught:
        emopms.load(model)
    assert "plugins=[…]" in caught.value.remedy
    with pytest.raises(PluginError, match="cannot be read"):
        emopms.load(model, plugins=tmp_path / "none.py")
    network = emopms.load(model, plugins=tmp_path / "mine.py")
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    (model / "model.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError):
        emopms.load(model, plugins=[str(tmp_path / "mine.py")])


@pytest.mark.slow
def test_what_an_edited_plugin_takes_from_the_store(spec: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    emopms.run(spec, run_dir=path, device="cpu")
    edit(spec)
    cached = stages(emopms.run(spec, run_dir=path, device="cpu"))
    assert {name for name, taken in cached.items() if taken} == {"pretrain", "selectors", "constrain", "dense"}


def test_what_a_plugin_file_imports_from_its_own_folder_counts(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spec.parent / "my_helper.py").write_text("FACTOR = 1\n")
    edit(spec, "import my_helper\n")
    monkeypatch.syspath_prepend(spec.parent)
    before = keys(load_spec(spec))
    (spec.parent / "my_helper.py").write_text("FACTOR = 2\n")
    edit(spec, "# so that it runs again in this process\n")
    text = (spec.parent / "mine.py").read_bytes()
    both = hash_of_file_and_imports(spec.parent / "mine.py", text)
    assert changed(before, keys(load_spec(spec))) >= {"evolve"}
    (spec.parent / "my_helper.py").write_text("FACTOR = 3\n")
    assert hash_of_file_and_imports(spec.parent / "mine.py", text) != both


def test_a_data_file_of_a_plugin_s_package_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "my_data_plugin"
    package.mkdir()
    (package / "__init__.py").write_text(PLUGIN)
    (package / "table.csv").write_text("1")
    monkeypatch.syspath_prepend(tmp_path)
    component = importlib.import_module("my_data_plugin").Channels
    before = _hash.__wrapped__(component)
    (package / "__pycache__").mkdir(exist_ok=True)
    (package / "__pycache__" / "x.pyc").write_text("compiled")
    assert _hash.__wrapped__(component) == before
    (package / "table.csv").write_text("2")
    assert _hash.__wrapped__(component) != before
