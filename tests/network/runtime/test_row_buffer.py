from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest
import torch

from emopms.errors import RunError
from emopms.network.runtime import row_buffer as gathering
from emopms.network.runtime.row_buffer import RowBuffer, allocate_like, allocate_or_spill

if TYPE_CHECKING:
    from pathlib import Path


def pieces(tensor: torch.Tensor, size: int = 3) -> list[tuple[torch.Tensor, slice]]:
    bounds = range(0, len(tensor), size)
    return [(tensor[start : start + size], slice(start, min(start + size, len(tensor)))) for start in bounds]


LAYOUTS = {
    "contiguous": torch.randn(8, 4, 5, 5),
    "channels last": torch.randn(8, 4, 5, 5).contiguous(memory_format=torch.channels_last),
    "scores": torch.randn(8, 10),
    "a view of tokens": torch.randn(8, 6, 10)[:, 0],
    "images inside": torch.randn(6, 8, 10).transpose(0, 1),
    "expanded": torch.randn(1, 6).expand(8, 6),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("memory", [2**40, 0])
def test_pieces_make_the_whole(layout: str, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In main memory, and in a file where there is none."""
    monkeypatch.setattr(gathering, "available_memory", lambda: memory)
    for space in (allocate_like, allocate_or_spill):
        gathered = RowBuffer(8, space)
        for piece, rows in pieces(LAYOUTS[layout]):
            assert torch.equal(gathered.add(piece, rows), piece)
        assert gathered.tensor is not None
        assert torch.equal(gathered.tensor, LAYOUTS[layout])
        if layout in ("contiguous", "channels last", "scores"):
            assert gathered.tensor.stride() == LAYOUTS[layout].stride()


def test_nothing_is_made_where_there_is_no_space() -> None:
    gathered = RowBuffer(8, lambda count, piece: None)
    for piece, rows in pieces(LAYOUTS["scores"]):
        assert torch.equal(gathered.add(piece, rows), piece)
    assert gathered.tensor is None


def test_files_do_not_outlive_what_is_in_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gathering, "available_memory", lambda: 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    space = allocate_or_spill(100, torch.zeros(2, 50, dtype=torch.bfloat16))
    assert space.fill_(1).sum() == 5000
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gathering, "available_memory", lambda: 0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RunError, match=r"Features of the images take .* No space left on device") as caught:
        allocate_or_spill(100, torch.zeros(2, 50))
    assert "TMPDIR" in caught.value.remedy
