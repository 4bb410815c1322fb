"""``emopms new``: packages that work as they are written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from emopms import registry
from emopms.errors import PluginError
from emopms.registry import SLOTS
from emopms.scaffold import write_plugin

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name",
    [
        *("", "a--b", "-a", "a b", "A", "1a", "_a", "a_", "a__b", "é", "a.b", "../a", "a\n", "a/b"),
        *("class", "lambda", "null", "true", "no_\0", "none.py"),
    ],
)
def test_names_that_are_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="is not a valid name of a component") as caught:
        write_plugin("objective", name, tmp_path)
    assert "my_latency" in caught.value.remedy
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("slot", "name", "said"),
    [
        ("objective", "macs", "The objective 'macs' exists already, from emopms"),
        ("data", "source", "The class Source would hide another one"),
        ("split", "split", "The class Split would hide another one"),
        ("objective", "literal", "The class Literal would hide another one"),
        ("ranker", "there", "A module emopms_there is installed already"),
    ],
)
def test_names_that_are_taken(slot: str, name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "emopms_there.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=said) as caught:
        write_plugin(slot, name, tmp_path / "into")
    assert caught.value.remedy == "Choose another name."
    assert not (tmp_path / "into").exists()


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    folder = write_plugin("objective", "my_cost", tmp_path)
    (folder / "README.md").write_text("mine")
    with pytest.raises(PluginError, match="emopms-my-cost exists") as caught:
        write_plugin("objective", "my_cost", tmp_path)
    assert "--into" in caught.value.remedy
    assert (folder / "README.md").read_text() == "mine"


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for into, name in ((tmp_path / "file", "my_cost"), (tmp_path, "x" * 300)):
        with pytest.raises(PluginError, match="cannot be written") as caught:
            write_plugin("objective", name, into)
        assert "--into" in caught.value.remedy


@pytest.mark.parametrize("slot", SLOTS)
def test_what_is_written(slot: str, tmp_path: Path) -> None:
    folder = write_plugin(slot, "my_new_thing", tmp_path / "not" / "there")
    assert folder == tmp_path / "not" / "there" / "emopms-my-new-thing"
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    module = "emopms_my_new_thing"
    assert set(files) == {"README.md", "pyproject.toml", f"{module}.py", f"tests/test_{module}.py"}
    assert not [name for name, text in files.items() if "NEW" in text]
    assert "NewThing" not in "".join(files.values()).replace("MyNewThing", "")

    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["name"] == "emopms-my-new-thing"
    assert project["project"]["entry-points"] == {f"emopms.{slot}": {"my_new_thing": f"{module}:MyNewThing"}}
    assert project["tool"]["setuptools"]["py-modules"] == [module]
    (shown,) = yaml.safe_load(files["README.md"].split("```yaml\n")[1].split("```")[0]).values()
    assert {"name": "my_new_thing"}.items() <= (shown[-1] if isinstance(shown, list) else shown).items()

    component = registry.find(slot, "my_new_thing", [folder / f"{module}.py"])
    assert component.__name__ == "MyNewThing"
    assert component().model_dump()["name"] == "my_new_thing"


def _run(
    *command: str | Path, cwd: Path, site: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PYTHONPATH": str(site)} if site else {})
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


QUICK = [
    *("pretrain.epochs=4", "finetune.epochs=0", "schemes=4", "targets=[{macs: 0.95}]"),
    *("algorithm.generations=2", "algorithm.pop_size=4", "constraint.epochs=1"),
    *("data.images=800", "data.calibration=32", "data.validation=100", "backbone.width=8"),
]


def _settings(settings: Sequence[str]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


@pytest.mark.slow
def test_all_of_them_install_show_up_pass_their_tests_and_run(tmp_path: Path) -> None:
    folders = {slot: write_plugin(slot, f"my_{slot}", tmp_path / "written") for slot in SLOTS}
    style = ("--config", ROOT / "pyproject.toml", ".")  # the order of imports hangs on what one counts as one's own
    _run("ruff", "check", "--ignore", "I001", *style, cwd=tmp_path / "written")
    _run("ruff", "format", "--check", *style, cwd=tmp_path / "written")

    site = tmp_path / "site"
    install = ("pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", site)
    _run(*install, *folders.values(), cwd=tmp_path)

    listed = _run("emopms", "plugins", cwd=tmp_path, site=site).stdout.splitlines()
    schema = json.loads(_run("emopms", "schema", cwd=tmp_path, site=site).stdout)
    for slot in SLOTS:
        (line,) = [line for line in listed if line.startswith(f"{slot}/my_{slot} ")]
        assert f"emopms_my_{slot} 0.1.0" in line
        assert "cannot be used" not in line
        assert f"{slot}.my_{slot}" in schema["definitions"]

    tested = [folders[slot] / "tests" for slot in ("objective", "split", "ranker")]
    shown = _run("pytest", "-q", "-p", "no:cacheprovider", *tested, cwd=tmp_path, site=site).stdout
    assert " passed" in shown

    lists = {"objective": "objectives=[capability, my_objective]", "exporter": "export=[safetensors, my_exporter]"}
    lists |= {"baseline": "baselines=[my_baseline]", "tracker": "trackers=[my_tracker]"}
    mine = [lists.get(slot, f"{slot}=my_{slot}") for slot in SLOTS]
    spec = ROOT / "specs" / "quickstart.yaml"
    _run("emopms", "validate", spec, *_settings(mine), cwd=tmp_path, site=site)
    unknown = _run("emopms", "validate", spec, *_settings(mine), cwd=tmp_path, check=False)
    assert unknown.returncode == 2
    assert unknown.stderr.count("called 'my_") == len(SLOTS)

    _run("emopms", "run", spec, "--device", "cpu", *_settings([*mine, *QUICK]), cwd=tmp_path, site=site)
    run = tmp_path / "runs" / "quickstart"
    assert (run / "models" / "macs-0.95" / "weights.npz").exists()
    assert "models/macs-0.95/accuracy" in (run / "figures.csv").read_text()
    assert set(json.loads((run / "manifest.json").read_text())["plugins"]) == {f"{slot}/my_{slot}" for slot in SLOTS}
