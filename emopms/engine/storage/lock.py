"""One process at a time in a store. The operating system frees the lock when its holder dies."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import filelock

from emopms.engine.storage.atomic import write_atomic
from emopms.engine.storage.serialization import UNREADABLE, decode_json, encode_json
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK: Final = "lock"
HOLDER: Final = "holder.json"
_PATIENCE = 1.0
"""Seconds. Whoever asks for the holder shares the lock for an instant, which must not turn a run away."""


@contextmanager
def hold_lock(root: Path) -> Iterator[None]:
    """Hold a store.

    Raises:
        StoreError: Another process holds it, or the folder cannot be written.
    """
    lock = filelock.FileLock(root / LOCK, timeout=_PATIENCE)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise StoreError(
            f"Another emopms process is running in {root.parent}: {_noted(root)}.",
            remedy="Wait for it, or use another run directory (--run-dir).",
        ) from None
    except OSError as error:
        raise StoreError(
            f"{root} cannot be used: {error}",
            remedy="Make it writable, or use another run directory (--run-dir).",
        ) from error
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_atomic(root / HOLDER, encode_json({"pid": os.getpid(), "host": socket.gethostname(), "since": since}))
        yield
    finally:
        lock.release()


def lock_holder(root: Path) -> str:
    """Who holds a store now; empty where nobody does. Nothing is written.

    Raises:
        OSError: The lock cannot be read.
    """
    import fcntl  # here: a run needs it nowhere

    try:
        lock = os.open(root / LOCK, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: those who only ask do not see each other
    except OSError:
        return _noted(root)
    finally:
        os.close(lock)
    return ""


def _noted(root: Path) -> str:
    """The holder, as far as its own note tells."""
    try:
        note = decode_json((root / HOLDER).read_bytes())
        return f"process {note['pid']} on {note['host']}, since {note['since']}"
    except UNREADABLE:
        return "one that left no note of itself"
