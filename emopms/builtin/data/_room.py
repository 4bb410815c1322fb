"""Checks that the unpacked content of a file fits into memory. A small compressed file can have a huge content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def require_room(needed: int, path: Path, what: str) -> None:
    """Refuse data that do not fit into memory, before memory is allocated for them.

    Args:
        needed: Bytes that the data take.
        path: The file or folder of the data.
        what: Name of the data, for the error message.

    Raises:
        DataError: Fewer than ``needed`` bytes of memory are free.
    """
    from emopms.network import available_memory

    free = available_memory()
    if needed > free:
        raise DataError(
            f"{path}: {what} would take {needed / 2**30:,.1f} GiB of memory, and {free / 2**30:,.1f} GiB are free.",
            remedy="Name fewer or smaller images, or take a machine with more memory.",
        )
