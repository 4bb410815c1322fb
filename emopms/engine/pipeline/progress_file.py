"""The file in which a running process keeps its progress, so that another process can follow it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emopms.engine.storage.atomic import write_atomic
from emopms.engine.storage.outcome import COMPLETE, INTERRUPTED, PROGRESS, read_record
from emopms.engine.storage.serialization import UNREADABLE, encode_json
from emopms.engine.support.run_progress import RunProgress
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from emopms.engine.support.progress import Progress, Steps

_EVERY = 0.5
"""Least seconds between two writes of the file, except when a stage or its work begins or ends."""


@dataclass(frozen=True)
class KeptProgress:
    """What the file says about the last process that worked in a run directory."""

    progress: RunProgress
    outcome: str
    """`COMPLETE`, the message of the error that ended the work, or an empty text while the process works. It stays
    empty if the process was killed."""


@contextmanager
def kept_progress(root: Path, shown: Progress) -> Iterator[Progress]:
    """Show the progress of the body of the ``with`` statement, and keep it in a file.

    Without space on the disk, the file is not written. The results do not depend on it.

    Args:
        root: The folder for the file ``progress.json``. This process must hold its lock.
        shown: Shows the progress.

    Yields:
        Receives the progress.
    """
    kept = _Kept(root / PROGRESS, shown)
    try:
        yield kept
    except KeyboardInterrupt:
        kept.end(INTERRUPTED)
        raise
    except BaseException as error:
        kept.end(str(error).partition("\n")[0] or type(error).__name__)
        raise
    kept.end(COMPLETE)


def read_progress(root: Path) -> KeptProgress | None:
    """Return the progress of the last process that worked in a run directory; None if no valid file says it.

    Args:
        root: The folder of the file ``progress.json``.
    """
    record = read_record(root)
    try:
        return None if record is None else KeptProgress(RunProgress.from_json(record["progress"]), record["outcome"])
    except (*UNREADABLE, AttributeError):
        return None


class _Kept(RunProgress):
    def __init__(self, path: Path, shown: Progress) -> None:
        super().__init__()
        self._path, self._shown, self._written = path, shown, 0.0
        self._write()

    def begin(self, stages: Mapping[str, float | None]) -> None:
        super().begin(stages)
        self._shown.begin(stages)

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Steps]:
        with super().track(label, total, unit), self._shown.track(label, total, unit) as self._steps:
            self._write()
            yield self

    def advance(self, note: str | None = None, *, steps: int = 1) -> None:
        super().advance(note, steps=steps)
        self._steps.advance(note, steps=steps)
        if self.clock() - self._written >= _EVERY:
            self._write()

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        super().stage(name, cached=cached, seconds=seconds)
        self._shown.stage(name, cached=cached, seconds=seconds)
        if not cached or self.clock() - self._written >= _EVERY:
            self._write()

    def end(self, outcome: str) -> None:
        """Write how the work ended."""
        self._write(outcome)

    def _write(self, outcome: str = "") -> None:
        self._written = self.clock()
        with suppress(StoreError):
            write_atomic(self._path, encode_json({"progress": self.as_json(), "outcome": outcome}))
