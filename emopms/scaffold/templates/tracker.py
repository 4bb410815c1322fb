"""The component ``new_tracker`` of the slot ``tracker``: a table of all figures."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Literal

from emopms.api import TrackedResult, TrackedRun, Tracker, Tracking

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class NewTracker(Tracker):
    """Append all figures to a table in the run directory."""

    name: Literal["new_tracker"] = "new_tracker"
    file: str = "figures.csv"
    """Name of the table."""

    def begin(self, run: TrackedRun) -> Tracking:
        return _Table(run.folder / self.file)


class _Table(Tracking):
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)

    def log(self, figures: Mapping[str, float], *, step: int | None = None) -> None:
        self._rows.writerows([name, step, value] for name, value in figures.items())

    def finish(self, result: TrackedResult) -> None:
        self.log(result.figures)

    def close(self) -> None:
        self._file.close()
