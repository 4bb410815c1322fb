"""Published files: all of one run or not yet, and nothing of anybody else's lost."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from emopms.engine.storage.atomic import write_atomic
from emopms.engine.storage.outputs import Outputs
from emopms.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

PLAN, OTHER = {"export": "a"}, {"export": "b"}
FIRST = {"models/a/model.bin": b"1", "models/b/model.bin": b"1", "result.json": b"{}"}
SECOND = {"models/a/model.bin": b"2", "result.json": b"[]"}


def _files(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and "store" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_what_is_published(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    assert outputs.published() is None
    outputs.publish(FIRST, PLAN)
    assert _files(tmp_path) == FIRST
    assert outputs.is_of(PLAN)
    assert not outputs.is_of(OTHER)
    assert outputs.damage() == ""
    (tmp_path / "result.json").write_bytes(b"changed")
    assert outputs.damage().endswith("result.json: changed")


def test_a_later_run_replaces_its_own_files_and_leaves_earlier_models(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.publish(FIRST, PLAN)
    outputs.publish(SECOND, OTHER)
    assert _files(tmp_path) == FIRST | SECOND
    assert outputs.superseded() == ["models/b/model.bin"]
    outputs.publish(FIRST, PLAN)
    assert outputs.superseded() == []
    assert _files(tmp_path) == FIRST


def test_a_folder_that_is_replaced_keeps_no_file_of_what_it_held(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.publish(FIRST | {"models/a/model.pt2": b"1", "models/a/model.onnx": b"1"}, PLAN)
    (tmp_path / "models/a/notes.txt").write_bytes(b"mine")
    (tmp_path / "models/a/model.onnx").write_bytes(b"changed by hand")
    assert outputs.differs("models/a/model.bin", b"2")
    assert not outputs.differs("models/a/model.bin", b"1")
    assert not outputs.differs("models/c/model.bin", b"1"), "it was never there"
    outputs.publish(SECOND, OTHER, replaced=["models/a"])
    others = {"models/a/notes.txt": b"mine", "models/a/model.onnx.kept": b"changed by hand"}
    assert _files(tmp_path) == FIRST | SECOND | others
    assert outputs.superseded() == ["models/b/model.bin"]


def test_files_of_others_and_changed_ones_get_another_name(tmp_path: Path) -> None:
    (tmp_path / "models" / "a").mkdir(parents=True)
    (tmp_path / "models" / "a" / "model.bin").write_bytes(b"mine")
    (tmp_path / "models" / "a" / "notes.txt").write_bytes(b"mine")
    (tmp_path / "models" / "b").write_bytes(b"a file of mine where a folder goes")
    (tmp_path / "result.json").mkdir()
    (tmp_path / "result.json" / "deep.txt").write_bytes(b"mine")
    outputs = Outputs(tmp_path)
    outputs.publish(FIRST, PLAN)
    kept = {
        "models/a/model.bin.kept": b"mine",
        "models/a/notes.txt": b"mine",
        "models/b.kept": b"a file of mine where a folder goes",
        "result.json.kept/deep.txt": b"mine",
    }
    assert _files(tmp_path) == FIRST | kept
    (tmp_path / "models" / "a" / "model.bin").write_bytes(b"changed by hand")
    outputs.publish(SECOND, OTHER)
    assert _files(tmp_path) == FIRST | SECOND | kept | {"models/a/model.bin.kept-2": b"changed by hand"}


def test_a_folder_that_is_a_link_is_never_written_through(tmp_path: Path) -> None:
    own, run = tmp_path / "own", tmp_path / "run"
    own.mkdir()
    (run / "models").mkdir(parents=True)
    (run / "models" / "a").symlink_to(own)
    Outputs(run).publish({"models/a/model.bin": b"new"}, PLAN)
    assert list(own.iterdir()) == []
    assert (run / "models" / "a.kept").is_symlink()


def test_a_file_of_another_size_is_not_read(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.publish(FIRST, PLAN)
    os.truncate(tmp_path / "result.json", 2**40)
    assert outputs.damage().endswith("result.json: changed")


def test_a_link_is_never_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"{}")
    run = tmp_path / "run"
    run.mkdir()
    (run / "result.json").symlink_to(elsewhere)
    Outputs(run).publish({"result.json": b"new"}, PLAN)
    assert elsewhere.read_bytes() == b"{}"
    assert (run / "result.json.kept").is_symlink()


@pytest.mark.parametrize("then", [SECOND, FIRST], ids=["the same run again", "another run"])
def test_killed_at_any_write_the_next_publication_is_whole_and_sets_nothing_of_ours_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: dict[str, bytes]
) -> None:
    for point in itertools.count():
        folder = tmp_path / str(point)
        outputs = Outputs(folder)
        outputs.publish(FIRST, PLAN)
        left = iter(range(point))

        def kill(path: Path, content: bytes, left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise StoreError("killed")
            write_atomic(path, content)

        with monkeypatch.context() as killing:
            killing.setattr("emopms.engine.storage.outputs.write_atomic", kill)
            killing.setattr("emopms.engine.storage.sealed.write_atomic", kill)
            try:
                outputs.publish(SECOND, OTHER)
                whole = True
            except StoreError:
                whole = False
        if whole:
            break
        assert outputs.is_of(PLAN) == (point == 0), "half of another run is not the run of before"
        assert not outputs.is_of(OTHER)
        outputs.publish(then, OTHER)
        assert outputs.is_of(OTHER)
        assert _files(folder) == FIRST | then
    assert point == 4, "two records and two files"
