"""Writes a file that the user asked for, and never over another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emopms.errors import StoreError

if TYPE_CHECKING:
    from os import PathLike


def write_new(file: str | PathLike[str], content: bytes) -> Path:
    """Write a new file, and return its path.

    Raises:
        StoreError: The file exists already, or it cannot be written.
    """
    try:
        with Path(file).open("xb") as out:
            try:
                out.write(content)
                out.flush()
            except OSError:
                Path(file).unlink()  # it is ours, and not whole
                raise
    except FileExistsError as error:
        raise StoreError(f"{file} exists already.", remedy="Name another file, or move this one away.") from error
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}.", remedy="Name another file.") from error
    return Path(file)
