"""Runs and comparisons never share a folder: each would take the files of the other for its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import emopms
from emopms.engine.storage.inventory import find_runs
from emopms.engine.storage.store import Store, lock_comparison
from emopms.errors import StoreError
from tests.engine.comparison.conftest import compared

if TYPE_CHECKING:
    from pathlib import Path


def _content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_comparison_in_the_folder_of_a_run(tmp_path: Path) -> None:
    with Store(tmp_path / "store").lock():
        pass
    before = _content(tmp_path)
    with pytest.raises(StoreError, match="is the folder of a run: a comparison there") as caught:
        emopms.compare(compared(), run_dir=tmp_path, device="cpu")
    assert "--run-dir" in caught.value.remedy
    assert _content(tmp_path) == before


def test_no_run_in_the_folder_of_a_comparison(tmp_path: Path) -> None:
    with lock_comparison(tmp_path / "store"):
        pass  # it was ended before its first row
    before = _content(tmp_path)
    with pytest.raises(StoreError, match="is the folder of a comparison: a run there") as caught:
        emopms.run(compared(), run_dir=tmp_path, device="cpu")
    assert "--run-dir" in caught.value.remedy
    assert _content(tmp_path) == before


def test_a_comparison_goes_on_in_its_folder_and_is_no_run(tmp_path: Path) -> None:
    for _ in range(2):
        with lock_comparison(tmp_path / "store"):
            assert find_runs(tmp_path) == []
