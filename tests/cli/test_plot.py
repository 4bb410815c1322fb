"""``emopms plot`` as a user meets it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import emopms as package

    from .conftest import Shown


@pytest.mark.slow
def test_a_figure_is_written_once(
    emopms: Callable[..., Shown], finished: package.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = emopms("plot", finished.folder)
    assert (shown.code, shown.out.strip(), shown.err) == (0, "figure: front.svg", "")
    again = emopms("plot", finished.folder)
    assert again.code == 3
    assert "front.svg exists already" in again.err
    other = shutil.copytree(finished.folder, tmp_path / "other")
    options = ("-o", "a.pdf", "--x", "params", "--y", "loss", "--width", "5")
    both = emopms("plot", finished.folder, other, *options)
    assert both.code == 0
    assert (tmp_path / "a.pdf").exists()


def test_what_cannot_be_drawn_is_a_wrong_command(emopms: Callable[..., Shown], finished: package.Result) -> None:
    shown = emopms("plot", finished.folder, "--x", "latency")
    assert shown.code == 2
    assert "has no cost 'latency'" in shown.err
    assert emopms("plot", finished.folder, "--y", "recall").code == 2
