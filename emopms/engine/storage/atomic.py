"""Files and folders that appear on disk whole or not at all."""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNFINISHED = ".unfinished"
"""What the names of files and folders end in that a process left half written, when it was killed."""
FREE_SPACE = "Free space, or choose another --run-dir, and run again: it goes on from here."


def write_atomic(path: Path, content: bytes) -> None:
    """Put a file where it belongs; folders are made.

    Raises:
        StoreError: It cannot be written.
    """
    with atomic_path(path) as unfinished:
        unfinished.write_bytes(content)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A place to write a file or folder to; afterwards it takes the place of ``path``, whole.

    Raises:
        StoreError: It cannot be written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        yield unfinished
        if path.is_dir() and unfinished.is_dir():
            shutil.rmtree(path)
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error}",
            remedy=FREE_SPACE if is_full(error) else "Remove what is in its way, or choose another --run-dir.",
        ) from error


def is_full(error: BaseException) -> bool:
    """Whether a disk, or what one may use of it, was full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
