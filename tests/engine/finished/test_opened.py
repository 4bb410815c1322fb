"""Opening a finished run again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from emopms.engine.finished.opened import OpenedRun
from emopms.engine.support.progress import Silent
from emopms.errors import StoreError
from emopms.spec import load_spec

if TYPE_CHECKING:
    from pathlib import Path


def open_run(folder: Path) -> OpenedRun:
    return OpenedRun.open(
        folder, load_spec(folder / "spec.resolved.yaml"), data_root=None, device="cpu", progress=Silent()
    )


def test_the_stages_have_the_keys_of_the_run(run: Path) -> None:
    opened = open_run(run)
    assert {step.stage.name: step.key for step in opened.planned} == opened.store.read_plan()
    assert opened.artefact("measure").files == ["schemes.npz", "summary.json"]


def test_a_result_that_is_gone(run: Path) -> None:
    for path in (run / "store" / "measure").glob("*/meta.json"):
        path.unlink()
    with pytest.raises(StoreError, match="no result of measure"):
        open_run(run).artefact("measure")


def test_the_data_root_is_that_of_the_run(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["data"]["root"].startswith("/")
    (run / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"manifest\.json cannot be read"):
        open_run(run)
