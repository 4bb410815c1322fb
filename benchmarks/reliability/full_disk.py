"""Simulates a full disk at every write of a run."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import emopms
from benchmarks.reliability.subject import outcome
from emopms.engine.support.progress import Silent
from emopms.errors import EmopmsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_COUNTED = {"open": 0, "os.mkdir": 0, "os.rename": 1, "shutil.copyfile": 1}
"""Audit events that need disk space, with the index of the argument that holds the path."""


class FullDisk:
    """Context in which writes of this process below a folder fail with ENOSPC.

    The first write that has not failed in an earlier attempt fails, and all later writes too. It uses Python's audit
    events, so writes of libraries in C++ or Rust do not fail.

    Args:
        folder: The folder.
        passes: Writes that failed in earlier attempts. The new failure is added.
        every: Only every n-th new write fails.
    """

    def __init__(self, folder: Path, passes: set[str], *, every: int = 1) -> None:
        self._folder, self._passes, self._every = os.path.realpath(folder), passes, every
        self.failed = ""
        """The first write that failed in this attempt."""

    @contextmanager
    def entered(self) -> Iterator[FullDisk]:
        _watch(self)
        try:
            yield self
        finally:
            _watch(None)

    def heed(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _COUNTED or (event == "open" and not int(arguments[2] or 0) & _WRITES):
            return
        path = arguments[_COUNTED[event]]
        if not isinstance(path, str | os.PathLike) or not os.path.realpath(path).startswith(self._folder):
            return
        write = f"{event} {os.path.relpath(path, self._folder)}"
        if not self.failed and write not in self._passes:
            self._passes.add(write)
            if len(self._passes) % self._every == 0:
                self.failed = write
        if self.failed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def fill_at_every_write(spec: emopms.Spec, folder: Path, *, every: int = 1) -> dict[str, Any]:
    """Run a spec again and again. Each attempt fails at the next write, until a run completes.

    Args:
        spec: The spec.
        folder: Folder for the run directories.
        every: Only every n-th write fails.

    Returns:
        JSON counts of failed writes by kind of error, and whether the result equals that of an undisturbed run.
    """
    roomy, tight = folder / "roomy", folder / "tight"
    emopms.run(spec, run_dir=roomy, device="cpu", progress=Silent())
    named, other = 0, []
    passes: set[str] = set()
    while True:
        with FullDisk(tight, passes, every=every).entered() as disk:
            try:
                emopms.run(spec, run_dir=tight, device="cpu", progress=Silent())
            except EmopmsError as error:
                if "No space left" in str(error):
                    named += 1
                else:
                    other.append(f"{disk.failed}: {error}")
            except Exception as error:  # a user would see a traceback
                other.append(f"{disk.failed}: {type(error).__name__}: {error}")
            else:
                if not disk.failed:
                    break
                other.append(f"{disk.failed}: not reported")
    return {
        "writes": len(passes),
        "failed": named + len(other),
        "named_error": named,
        "other": other,
        "same": outcome(tight) == outcome(roomy),
    }


_disk: FullDisk | None = None
_watching = False


def _watch(disk: FullDisk | None) -> None:
    global _disk, _watching
    _disk = disk
    if not _watching:
        sys.addaudithook(lambda event, arguments: _disk.heed(event, arguments) if _disk is not None else None)
        _watching = True
