"""Log sinks that are added again if a plugin removes them. All code of a process shares one logger of loguru."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from loguru import logger

from emopms.engine.storage.outputs import set_aside
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Sink(Protocol):
    """A destination of log lines."""

    def write(self, line: str) -> None:
        """Receive one line of the log, with its line break."""

    def close(self) -> None:
        """Close the destination. No log lines are written to it later."""


@contextmanager
def logging_to(sink: Sink, **options: Any) -> Iterator[None]:
    """Log to a sink while the body of the ``with`` statement runs.

    Args:
        sink: Receives the lines.
        options: The options of `logger.add`.
    """
    kept = _KeptSink(sink, options)
    _kept.append(kept)
    try:
        yield
    finally:
        _kept.remove(kept)
        kept.end()


def restore_sinks(whose: str) -> None:
    """Add all sinks again that other code has removed, such as by `logger.remove()`, and log a warning.

    Args:
        whose: Name of the code that has just run, for the warning.
    """
    removed = [kept for kept in _kept if kept.removed]
    for kept in removed:
        kept.add()
    if removed and whose not in _named:
        _named.add(whose)
        logger.warning("{} removed the sinks of the log; they were added again", whose)


_kept: list[_KeptSink] = []
_named: set[str] = set()
"""Names of code that removed log sinks, if a warning has named it. No later warning names the same code."""


class _KeptSink:
    """A sink that records its removal: loguru calls `stop` when it removes a sink."""

    def __init__(self, sink: Sink, options: dict[str, Any]) -> None:
        self._sink, self._options = sink, options
        self.add()

    def add(self) -> None:
        self.removed = False
        self._number = logger.add(self, **self._options)

    def end(self) -> None:
        if not self.removed:
            logger.remove(self._number)
        self._sink.close()

    def write(self, line: str) -> None:
        self._sink.write(line)

    def stop(self) -> None:
        self.removed = True


class RunLog:
    """A log file. It drops lines if the disk is full: the run itself reports that at its next write."""

    def __init__(self, path: Path) -> None:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
        self._file = os.fdopen(number, "a", encoding="utf-8")

    def write(self, line: str) -> None:
        with suppress(OSError):
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


def open_log(folder: Path) -> RunLog:
    """Open ``run.log`` in a folder. If a link has this path, it is renamed: a link is never written through.

    Raises:
        StoreError: The file cannot be written.
    """
    path = folder / "run.log"
    if path.is_symlink():
        set_aside(path)
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is no file, but a folder, a pipe or a device.", remedy="Move it away.")
    try:
        return RunLog(path)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error}", remedy="Choose another --run-dir.") from error
