"""The run directory, and the folder that relative paths in a spec start from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from emopms.api import Folder
from emopms.errors import DataError, StoreError

if TYPE_CHECKING:
    from os import PathLike

    from emopms.spec import Spec


def run_folder(spec: Spec, run_dir: str | PathLike[str] | None) -> Path:
    """Return the run directory, which need not exist yet.

    Args:
        spec: The spec. Its name is part of the default path.
        run_dir: The directory that the user chose; None for ``runs/<name>`` below the current folder.

    Raises:
        StoreError: The path exists and is not a folder, cannot be accessed, is not UTF-8, or holds a null character.
    """
    folder = Path(run_dir) if run_dir is not None else Path("runs") / spec.name
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError as error:  # other libraries could not write there
        raise StoreError(f"The path {str(folder)!r} is not UTF-8.", remedy="Choose another --run-dir.") from error
    if "\0" in str(folder):
        raise StoreError(f"The path {str(folder)!r} holds a null character.", remedy="Choose another --run-dir.")
    try:
        usable = not folder.exists() or folder.is_dir()
    except OSError as error:
        raise StoreError(f"{folder} cannot be used: {error.strerror}.", remedy="Choose another --run-dir.") from error
    if not usable:
        raise StoreError(f"{folder} is not a folder.", remedy="Choose another --run-dir.")
    return folder


def data_folder(spec: Spec, data_root: str | PathLike[str] | None) -> Folder:
    """Return the folder that relative paths in a spec start from.

    It is the data root that the user chose. Without one, it is the folder that the environment variable ``EMOPMS_DATA``
    names. Without this variable, it is the folder of the spec.

    Args:
        spec: The spec.
        data_root: The data root that the user chose; None if there is none.

    Raises:
        DataError: The data root is not a folder.
    """
    if data_root is not None:
        chosen = Folder(Path(data_root), "the data root given")
    elif os.environ.get("EMOPMS_DATA"):
        chosen = Folder(Path(os.environ["EMOPMS_DATA"]), "the data root in EMOPMS_DATA")
    else:
        return Folder(spec.folder or Path(), "no data root given, so relative to the spec")
    if not chosen.path.is_dir():
        raise DataError(f"{chosen.path} is not a folder ({chosen.origin}).", remedy="Name an existing folder.")
    return chosen
