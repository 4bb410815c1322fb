"""Files that appear whole or not at all, and names that only emopms gives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emopms.engine.storage.atomic import is_unfinished, read_regular, unfinished_name, write_atomic
from emopms.errors import StoreError


def test_a_file_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"first")
    replace = Path.replace

    def look(unfinished: Path, target: Path) -> Path:
        assert path.read_bytes() == b"first"
        assert unfinished.read_bytes() == b"second"
        return replace(unfinished, target)

    monkeypatch.setattr(Path, "replace", look)
    write_atomic(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_the_way_stays_if_anything_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    write_atomic(path, b"content")
    assert path.read_bytes() == b"content"
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes").write_text("mine")
    with pytest.raises(StoreError, match="other cannot be written") as caught:
        write_atomic(other, b"content")
    assert "in its way" in caught.value.remedy
    assert (other / "notes").read_text() == "mine"


@given(st.text(min_size=1))
def test_unfinished_names_are_known_again_and_no_others(name: str) -> None:
    assert is_unfinished(unfinished_name(name))
    assert not is_unfinished(name)
    assert not is_unfinished(f"{name}.unfinished")
    assert not is_unfinished(unfinished_name(name) + "x")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ValueError, match="no regular file"):
            read_regular(path)
    (tmp_path / "large").write_bytes(bytes(11))
    with pytest.raises(ValueError, match="11 bytes, more than 10"):
        read_regular(tmp_path / "large", most=10)
    assert read_regular(tmp_path / "large", most=11) == bytes(11)
