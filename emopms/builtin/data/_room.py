"""Whether what a file unpacks to fits into memory: a small file can hold a great deal of nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def require_room(needed: int, path: Path, what: str) -> None:
    """Refuse to unpack what does not fit, before anything is allocated for it.

    Args:
        needed: Bytes.
        path: The file or folder.
        what: What of it is to be unpacked.

    Raises:
        DataError: There is less memory.
    """
    from emopms.network import available_memory

    free = available_memory()
    if needed > free:
        raise DataError(
            f"{path}: {what} would take {needed / 2**30:,.1f} GiB of memory, and {free / 2**30:,.1f} GiB are free.",
            remedy="Name fewer or smaller images, or take a machine with more memory.",
        )
