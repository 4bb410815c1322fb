"""The journal: an entry is there whole and unchanged, or not there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import torch

from emopms.engine.storage.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


def _with(folder: Path, *numbers: int, owner: str = "stage key") -> Journal:
    journal = Journal(folder, owner=owner)
    for number in numbers:
        journal.put(number, {"value": torch.tensor(number)})
    return journal


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    journal = _with(tmp_path, 2, 0, 11)
    assert journal.numbers() == [0, 2, 11]
    assert [int((journal.get(number) or {})["value"]) for number in journal.numbers()] == [0, 2, 11]
    assert journal.get(1) is None
    journal.put(2, {"value": torch.tensor(5)})
    assert int((journal.get(2) or {})["value"]) == 5
    assert len(list(tmp_path.iterdir())) == 3
    journal.keep_only(2)
    assert journal.numbers() == [2]


def test_an_empty_journal_has_no_folder(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none", owner="")
    assert journal.numbers() == []
    assert journal.get(0) is None
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "damage", ["cut", "emptied", "flipped", "renamed", "of other work", "a folder", "half written"]
)
def test_what_cannot_be_relied_on_does_not_count(tmp_path: Path, damage: str) -> None:
    journal = _with(tmp_path, 0, 1)
    path = next(tmp_path.glob("000001-*"))
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "flipped":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "renamed":
        path.unlink()
        next(tmp_path.glob("000000-*")).rename(path)
    elif damage == "of other work":
        path.unlink()
        _with(tmp_path, 1, owner="stage other")
    elif damage == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.rename(path.with_name(path.name + ".unfinished"))
    assert journal.get(1) is None


def test_foreign_files_do_no_harm(tmp_path: Path) -> None:
    journal = _with(tmp_path, 3)
    for name in ("notes.txt", "x-y.safetensors", ".DS_Store", "000007-.safetensors", "000007-mine.safetensors"):
        (tmp_path / name).write_bytes(b"\0")
    assert journal.get(3) is not None
    assert journal.get(7) is None
    journal.keep_only(3)
    assert len(list(tmp_path.iterdir())) == 6, "and none of them goes"


def test_an_entry_that_is_a_pipe_does_not_count(tmp_path: Path) -> None:
    journal = _with(tmp_path, 0)
    (path,) = tmp_path.iterdir()
    path.unlink()
    os.mkfifo(path)
    assert journal.get(0) is None
