"""`emopms watch` follows a run from another terminal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from emopms.cli import watch
from emopms.engine.pipeline.run_directory import working_in
from emopms.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Shown


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_EVERY", 0.01)


def test_a_run_is_followed_to_its_end(emopms: Callable[..., Shown], tmp_path: Path) -> None:
    begun, seen = threading.Event(), threading.Event()

    def work() -> None:
        with working_in(tmp_path / "run", seed=0, progress=None) as (_, progress):
            progress.begin({"pretrain": 1.0, "rank": 2.0})
            progress.stage("pretrain", cached=True, seconds=1.0)
            progress.stage("rank", cached=False)
            begun.set()
            seen.wait(10)
            progress.stage("rank", cached=False, seconds=2.0)

    worker = threading.Thread(target=work)
    worker.start()
    assert begun.wait(10)
    threading.Timer(0.2, seen.set).start()
    shown = emopms("watch", tmp_path / "run")
    worker.join()
    assert shown == (0, f"pretrain: cached\nrank: 2.0 s\ncomplete: {tmp_path / 'run'}\n", "")
    assert emopms("watch", tmp_path / "run") == shown, "a run that has ended"


def test_a_run_that_failed(emopms: Callable[..., Shown], tmp_path: Path) -> None:
    with pytest.raises(RunError), working_in(tmp_path, seed=0, progress=None):
        raise RunError("Training diverged \x1b[31m.", remedy="Lower it.")
    shown = emopms("watch", tmp_path)
    assert (shown.code, shown.out) == (3, "")
    assert f"The run in {tmp_path} is not complete: Training diverged \\x1b[31m." in shown.err
    assert "run.log" in shown.err


def test_folders_without_a_run(emopms: Callable[..., Shown], tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        shown = emopms("watch", folder)
        assert (shown.code, shown.out) == (3, "")
        assert "has no record of the progress of a run, or a damaged one" in shown.err
    assert not list(tmp_path.iterdir())
