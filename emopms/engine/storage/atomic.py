"""Atomic writing: a file appears on disk completely or not at all.

While a file is being written, its name ends with a hash of the final name. No other program uses such names. So an
unfinished file of a killed process is known to be a file of emopms.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from emopms.errors import StoreError, text_of, with_causes

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIX = ".unfinished"
_FULL = (errno.ENOSPC, errno.EDQUOT)
FREE_SPACE = "Free space, or choose another --run-dir, and run again: it goes on from here."


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file atomically, and make its folders. An existing file is replaced in one step.

    Raises:
        StoreError: The file cannot be written, or a folder that is not empty has the same path.
    """
    unfinished = path.with_name(unfinished_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()  # removes only an empty folder
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error}",
            remedy=FREE_SPACE if is_full(error) else "Remove what is in its way, or choose another --run-dir.",
        ) from error


def unfinished_name(name: str) -> str:
    """Return the temporary name that a file or folder has while it is being written.

    Args:
        name: The final name.
    """
    token = hashlib.sha256(f"emopms {name}".encode()).hexdigest()[:16]
    return f"{name}.{token}{_SUFFIX}"


def is_unfinished(name: str) -> bool:
    """Return whether a name is a temporary name that `unfinished_name` returns."""
    final = name.removesuffix(_SUFFIX).rpartition(".")[0]
    return bool(final) and name == unfinished_name(final)


def read_regular(path: Path, *, most: int | None = None) -> bytes:
    """Read a regular file. Pipes and devices are not opened, because to read them might never end.

    Args:
        path: The file.
        most: Maximum size in bytes; None for no maximum.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not a regular file, or it is larger than ``most``.
    """
    size = regular_size(path)
    if most is not None and size > most:
        raise ValueError(f"it has {size:,} bytes, more than {most:,}")
    with path.open("rb") as file:
        return file.read(size)


def regular_size(path: Path) -> int:
    """Return the size of a regular file in bytes.

    Raises:
        OSError: The file does not exist.
        ValueError: The path is a folder, a pipe or a device.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no regular file")
    return found.st_size


def is_full(error: BaseException) -> bool:
    """Return whether an error, or one that caused it, says that a disk, or the user's quota on it, is full."""
    return any(
        (isinstance(found, OSError) and found.errno in _FULL)
        or any(os.strerror(code) in text_of(found) for code in _FULL)  # a library may raise an error of its own class
        for found in with_causes(error)
    )
