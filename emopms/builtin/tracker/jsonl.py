"""The tracker ``jsonl``: a file with one line of JSON for each message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from emopms.api import TrackedResult, TrackedRun, Tracker, Tracking

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Jsonl(Tracker):
    """A file `figures.jsonl` in the run directory, to which each stage adds its figures when it ends.

    A line holds the figures by name, and `step` for those with a course. The last line holds the figures of the whole
    run. A continued run adds to the file.
    """

    name: Literal["jsonl"] = "jsonl"

    def begin(self, run: TrackedRun) -> Tracking:
        return _Lines(run.folder / "figures.jsonl")


class _Lines(Tracking):
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def log(self, figures: Mapping[str, float], *, step: int | None = None) -> None:
        self._file.write(json.dumps(figures if step is None else {"step": step, **figures}) + "\n")
        self._file.flush()

    def finish(self, result: TrackedResult) -> None:
        self.log(result.figures)

    def close(self) -> None:
        self._file.close()
