"""Simulates a full disk at every write of a run, and at every evaluation of an objective."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import emopms
from benchmarks.reliability.subject import outcome
from emopms.builtin.objective.capability import Capability
from emopms.engine.support.progress import Silent
from emopms.errors import EmopmsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from emopms.api import Task

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
    tight, passes = folder / "tight", set[str]()
    failed = _run_until_complete(spec, tight, lambda: FullDisk(tight, passes, every=every).entered())
    return {"writes": len(passes), **failed, "same": outcome(tight) == _undisturbed(spec, folder)}


def fill_at_every_evaluation(spec: emopms.Spec, folder: Path, *, every: int = 1) -> dict[str, Any]:
    """Run a spec again and again. In each attempt an objective meets a full disk, at the next new batch of candidates.

    Args and returns are those of `fill_at_every_write`; ``evaluations`` counts the batches.
    """
    tight, passes = folder / "tight", set[bytes]()
    failed = _run_until_complete(spec, tight, lambda: _objective_without_disk(passes, every))
    return {"evaluations": len(passes), **failed, "same": outcome(tight) == _undisturbed(spec, folder)}


@dataclass
class _Failure:
    failed: str = ""


@contextmanager
def _objective_without_disk(passes: set[bytes], every: int) -> Iterator[_Failure]:
    """Let the objective ``capability`` meet a full disk at the first batch at which it has not met one before."""
    failure, evaluate = _Failure(), Capability.evaluate

    def meet(self: Capability, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        batch = f"{task.subnetwork.name} {genomes.shape}".encode() + genomes.tobytes()
        if not failure.failed and batch not in passes:
            passes.add(batch)
            if len(passes) % every == 0:
                failure.failed = f"evaluation {len(passes)}"
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return evaluate(self, genomes, task)

    with mock.patch.object(Capability, "evaluate", meet):
        yield failure


def _undisturbed(spec: emopms.Spec, folder: Path) -> dict[str, str]:
    emopms.run(spec, run_dir=folder / "roomy", device="cpu", progress=Silent())
    return outcome(folder / "roomy")


def _run_until_complete(
    spec: emopms.Spec, run_dir: Path, disturbed: Callable[[], AbstractContextManager[FullDisk | _Failure]]
) -> dict[str, Any]:
    """Run a spec until nothing fails any more, and count the failures by kind of error."""
    named, other = 0, []
    while True:
        with disturbed() as disk:
            try:
                emopms.run(spec, run_dir=run_dir, device="cpu", progress=Silent())
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
        if len(other) > 100:  # it does not get any further
            break
    return {"failed": named + len(other), "named_error": named, "other": other}


_disk: FullDisk | None = None
_watching = False


def _watch(disk: FullDisk | None) -> None:
    global _disk, _watching
    _disk = disk
    if not _watching:
        sys.addaudithook(lambda event, arguments: _disk.heed(event, arguments) if _disk is not None else None)
        _watching = True
