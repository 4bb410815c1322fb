"""The progress of a run, when nobody shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emopms.engine.support.progress import Silent

if TYPE_CHECKING:
    from emopms.engine.support.progress import Progress


def test_nothing_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    progress: Progress = Silent()
    progress.stage("pretrain", cached=False)
    with progress.track("pretrain", 3, "epochs") as tracker:
        tracker.advance("loss 0.5")
        tracker.advance(steps=2)
    progress.stage("pretrain", cached=False, seconds=1.5)
    assert capfd.readouterr() == ("", "")


def test_errors_inside_are_let_through() -> None:
    with pytest.raises(ZeroDivisionError), Silent().track("pretrain", 3, "epochs"):
        _ = 1 / 0
