"""Files that appear on disk whole or not at all.

Until a file is whole it has a name that nobody else gives: it ends in a hash of the final name. So a file that a killed
process left half written is known to be ours, wherever it is.
"""

from __future__ import annotations

import errno
import hashlib
import stat
from typing import TYPE_CHECKING

from emopms.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIX = ".unfinished"
FREE_SPACE = "Free space, or choose another --run-dir, and run again: it goes on from here."


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file; its folders are made. A file that is there is replaced in one step.

    Raises:
        StoreError: It cannot be written, or a folder has its name.
    """
    unfinished = path.with_name(unfinished_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()  # only an empty one goes
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error}",
            remedy=FREE_SPACE if is_full(error) else "Remove what is in its way, or choose another --run-dir.",
        ) from error


def unfinished_name(name: str) -> str:
    """Return the name of a file or folder until it is whole and gets the name given."""
    token = hashlib.sha256(f"emopms {name}".encode()).hexdigest()[:16]
    return f"{name}.{token}{_SUFFIX}"


def is_unfinished(name: str) -> bool:
    """Return whether `unfinished_name` gave this name."""
    final = name.removesuffix(_SUFFIX).rpartition(".")[0]
    return bool(final) and name == unfinished_name(final)


def read_regular(path: Path, *, most: int | None = None) -> bytes:
    """Read a regular file. Pipes and devices are not opened, since reading them might never end.

    Args:
        most: Largest size in bytes.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, or larger than ``most``.
    """
    size = regular_size(path)
    if most is not None and size > most:
        raise ValueError(f"it has {size:,} bytes, more than {most:,}")
    with path.open("rb") as file:
        return file.read(size)


def regular_size(path: Path) -> int:
    """Return the size of a regular file in bytes.

    Raises:
        OSError: There is no such file.
        ValueError: It is a folder, a pipe or a device.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no regular file")
    return found.st_size


def is_full(error: BaseException) -> bool:
    """Return whether an error says that a disk, or what one may use of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
