"""The run directory, and the folder that relative paths in a spec start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from emopms import load_spec
from emopms.engine.support.paths import data_folder, run_folder
from emopms.errors import DataError, StoreError
from tests.engine.conftest import tiny


@pytest.fixture(autouse=True)
def no_data_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EMOPMS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_run_directory_is_named_like_the_spec() -> None:
    assert run_folder(tiny(), None) == Path("runs/tiny")
    assert not Path("runs").exists(), "nothing is made"


def test_the_user_may_choose_the_run_directory(tmp_path: Path) -> None:
    assert run_folder(tiny(), str(tmp_path / "mine")) == tmp_path / "mine"
    assert run_folder(tiny(), tmp_path) == tmp_path


def test_a_file_is_no_run_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is not a folder") as caught:
        run_folder(tiny(), tmp_path / "file")
    assert "--run-dir" in caught.value.remedy


def test_a_path_that_cannot_be_accessed_is_refused() -> None:
    with pytest.raises(StoreError, match=r"cannot be used: File name too long"):
        run_folder(tiny(), "x" * 5000)


def test_relative_paths_start_from_the_folder_of_the_spec(tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "spec.yaml").write_text(tiny().to_yaml())
    assert data_folder(load_spec(folder / "spec.yaml"), None).path == folder
    assert data_folder(tiny(), None).path == Path(), "a spec without a file starts from the current folder"


def test_the_data_root_goes_before_the_environment_and_the_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "environment"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("EMOPMS_DATA", str(tmp_path / "environment"))
    assert data_folder(tiny(), None).path == tmp_path / "environment"
    assert data_folder(tiny(), tmp_path / "given").path == tmp_path / "given"
    monkeypatch.setenv("EMOPMS_DATA", "")
    assert data_folder(tiny(), None).path == Path(), "an empty variable is none"


def test_a_data_root_that_does_not_exist_is_named_with_its_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"missing is not a folder \(the data root given\)"):
        data_folder(tiny(), tmp_path / "missing")
    monkeypatch.setenv("EMOPMS_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"gone is not a folder \(the data root in EMOPMS_DATA\)"):
        data_folder(tiny(), None)


def test_a_path_with_a_null_character_is_refused() -> None:
    with pytest.raises(StoreError, match=r"'a\\x00b' holds a null character") as caught:
        run_folder(tiny(), "a\0b")
    assert "--run-dir" in caught.value.remedy
