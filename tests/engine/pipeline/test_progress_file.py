"""The file by which another process follows a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from emopms.engine.pipeline.progress_file import kept_progress, read_progress
from emopms.engine.storage.outcome import COMPLETE, PROGRESS
from emopms.engine.support.progress import Silent
from emopms.engine.support.run_progress import RunProgress
from emopms.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path


def _work(root: Path, shown: RunProgress) -> None:
    with kept_progress(root, shown) as progress:
        progress.begin({"pretrain": 1.0, "rank": None})
        progress.stage("pretrain", cached=True, seconds=1.0)
        progress.stage("rank", cached=False)
        with progress.track("rank", 4, "measurements") as steps:
            for _ in range(4):
                steps.advance("loss 1")
        progress.stage("rank", cached=False, seconds=2.0)


def test_what_is_shown_is_kept(tmp_path: Path) -> None:
    shown = RunProgress()
    _work(tmp_path, shown)
    kept = read_progress(tmp_path)
    assert kept is not None
    assert kept.outcome == COMPLETE
    assert kept.progress.ended == shown.ended
    assert kept.progress.is_complete()


def test_a_running_process_and_one_that_was_killed_have_no_outcome(tmp_path: Path) -> None:
    with kept_progress(tmp_path, Silent()) as progress:
        kept = read_progress(tmp_path)
        assert kept is not None
        assert (kept.outcome, kept.progress.running) == ("", None)
        progress.stage("rank", cached=False)
        kept = read_progress(tmp_path)
        assert kept is not None
        assert (kept.outcome, kept.progress.running) == ("", "rank")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RunError("Training diverged\nsomewhere."), "Training diverged"),
        (KeyboardInterrupt(), "interrupted"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_how_the_work_ended(tmp_path: Path, error: BaseException, outcome: str) -> None:
    with pytest.raises(type(error)), kept_progress(tmp_path, Silent()):
        raise error
    kept = read_progress(tmp_path)
    assert kept is not None
    assert kept.outcome == outcome


def test_many_steps_are_few_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emopms.engine.pipeline import progress_file

    writes = []
    monkeypatch.setattr(progress_file, "write_atomic", lambda path, content: writes.append(content))
    with kept_progress(tmp_path, Silent()) as progress, progress.track("rank", 10_000, "measurements") as steps:
        for _ in range(10_000):
            steps.advance()
    assert len(writes) < 20


def test_a_file_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    (tmp_path / PROGRESS).mkdir()
    (tmp_path / PROGRESS / "mine").write_text("")
    shown = RunProgress()
    _work(tmp_path, shown)
    assert shown.is_complete()
    assert (tmp_path / PROGRESS / "mine").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"outcome": "", "progress": null}',
        b'{"outcome": "", "progress": {"began": 1, "total": 1, "stages": [["a", "x"]]}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PROGRESS).write_bytes(content)
    assert read_progress(tmp_path) is None


def test_there_is_no_file(tmp_path: Path) -> None:
    assert read_progress(tmp_path) is None


def test_the_file_has_a_form_that_others_can_read(tmp_path: Path) -> None:
    _work(tmp_path, RunProgress())
    written = json.loads((tmp_path / PROGRESS).read_text())
    assert written["outcome"] == "complete"
    assert written["progress"]["ended"][1] == {"name": "rank", "seconds": 2.0, "cached": False}
