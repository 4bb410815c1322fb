"""Records that carry their own checksum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emopms.engine.storage.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_record_comes_back(tmp_path: Path) -> None:
    record = {"format": 1, "files": {"ä": "b"}, "none": None}
    write_sealed(tmp_path / "record.json", record)
    assert read_sealed(tmp_path / "record.json") == record


@pytest.mark.parametrize("content", ["[]", "1", "null", "{}", '{"format": 1}', '{"format": 1, "checksum": "x"}', "{"])
def test_anything_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(ValueError, match=r".*"):
        read_sealed(tmp_path / "record.json")


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_sealed(path, {"seconds": 1.0})
    path.write_text(path.read_text().replace("1.0", "2.0"))
    with pytest.raises(ValueError, match="changed"):
        read_sealed(path)
