"""``emopms report`` as a user meets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    import emopms as package

    from .conftest import Shown


def test_the_report_is_written_once(
    emopms: Callable[..., Shown], finished: package.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = emopms("report", finished.folder)
    assert (shown.code, shown.out.strip(), shown.err) == (0, "report: report.html", "")
    written = (finished.folder / "report.html").read_text(encoding="utf-8")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.replace(f'"path":"{finished.folder}"', '"path":""') == written
    again = emopms("report", finished.folder)
    assert again.code == 3
    assert "report.html exists already" in again.err
    assert emopms("report", finished.folder, finished.folder, "-o", "both.html").code == 2
