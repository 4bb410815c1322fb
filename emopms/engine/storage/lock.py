"""The lock of a store. Only one process can hold it. The operating system frees the lock when this process ends."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import filelock

from emopms.engine.storage.atomic import read_regular, write_atomic
from emopms.engine.storage.serialization import UNREADABLE, decode_json, encode_json
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK: Final = "lock"
HOLDER: Final = "holder.json"
_PATIENCE = 1.0
"""Seconds to wait for the lock of a store, because a process that calls `lock_holder` holds the lock for an instant."""
_MOST_BYTES = 2**16
"""Maximum bytes of the file ``holder.json``."""


class HeldLock:
    """The lock of a store while this process holds it."""

    def __init__(self, root: Path) -> None:
        self._path = root / LOCK
        self._identity = _identity(self._path)

    def require_held(self) -> None:
        """Check that the lock file still exists and was not replaced. If it was, a second process could get the lock.

        Raises:
            StoreError: The lock file was removed or replaced.
        """
        if _identity(self._path) != self._identity:
            raise StoreError(
                f"{self._path} was removed while this process was running: another process may be writing there.",
                remedy="Leave that file alone, make sure that no other process runs there, and run again.",
            )


@contextmanager
def hold_lock(root: Path) -> Iterator[HeldLock]:
    """Hold the lock of a store while the ``with`` statement runs, and write the process to ``holder.json``.

    Raises:
        StoreError: Another process holds the lock, or the folder cannot be written.
    """
    lock = filelock.FileLock(root / LOCK, timeout=_PATIENCE)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise _refusal(root) from None
    except OSError as error:
        raise StoreError(
            f"{root} cannot be used: {error}",
            remedy="Make it writable, or use another run directory (--run-dir).",
        ) from error
    try:
        if _is_alive(_note(root)):  # the lock file was removed, but the process still runs
            raise _refusal(root)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        note = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "started": _started(os.getpid())}
        write_atomic(root / HOLDER, encode_json(note))
        held = HeldLock(root)
        try:
            yield held
        finally:
            with suppress(OSError, StoreError):
                held.require_held()  # keep the note if another process wrote it
                (root / HOLDER).unlink()
    finally:
        lock.release()


def lock_holder(root: Path) -> str:
    """Describe the process that holds the lock of a store; empty if no process holds it. Nothing is written.

    Raises:
        OSError: The lock file cannot be read.
    """
    import fcntl  # here: a run needs it nowhere

    try:
        lock = os.open(root / LOCK, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return _described(root) if _is_alive(_note(root)) else ""
    try:
        # The lock is shared, so that two calls of this function do not report each other.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _described(root)
    finally:
        os.close(lock)
    return ""


def _refusal(root: Path) -> StoreError:
    return StoreError(
        f"Another emopms process is running in {root.parent}: {_described(root)}.",
        remedy="Wait for it, or use another run directory (--run-dir).",
    )


def _note(root: Path) -> dict[str, Any]:
    """Return what ``holder.json`` says about the process that holds the lock; empty if there is no valid file."""
    try:
        note = decode_json(read_regular(root / HOLDER, most=_MOST_BYTES))
    except UNREADABLE:
        return {}
    return note if isinstance(note, dict) else {}


def _described(root: Path) -> str:
    note = _note(root)
    try:
        return f"process {note['pid']} on {note['host']}, since {note['since']}"
    except KeyError:
        return "one that left no note of itself"


def _is_alive(note: dict[str, Any]) -> bool:
    """Return whether the process that ``holder.json`` names is another process on this machine, and still runs."""
    pid, started = note.get("pid"), note.get("started")
    if note.get("host") != socket.gethostname() or not isinstance(pid, int) or pid == os.getpid():
        return False
    return started is not None and started == _started(pid)


def _started(pid: int) -> int | None:
    """Return the start time of a process, in clock ticks since the machine started; None if it is not known."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode number of a file; None if it does not exist. A file that replaces it has another inode
    number."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
