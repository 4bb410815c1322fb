from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emopms.api import Tracker, Tracking
from emopms.testing import TrackerConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path


class Silent(Tracking):
    def log(self, figures: Any, *, step: int | None = None) -> None:
        pass

    def finish(self, result: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Tidy(Silent):
    def finish(self, result: Any) -> None:
        result.files[0].unlink()


class Once(Silent):
    def __init__(self, folder: Path) -> None:
        (folder / "mine").mkdir()


def tracker(begin: Any) -> Any:
    return component(Tracker, begin=lambda self, run: begin(run.folder))


def fail(folder: Path) -> Silent:
    raise ConnectionError("no route to host")


BROKEN = [
    Broken("follows_a_run_to_its_end", tracker(fail), "no route to host"),
    Broken("leaves_the_files_of_the_run_alone", tracker(lambda folder: Tidy()), "changed or removed files of the run"),
    Broken("follows_a_run_that_continues", tracker(Once), "File exists"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(TrackerConformance, tmp_path)
