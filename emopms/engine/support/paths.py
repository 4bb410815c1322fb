"""Where a run writes, and where relative paths in its spec start."""

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
    """The run directory: the one given, or ``runs/<name>`` below the current folder.

    Raises:
        StoreError: Something that is no folder has that name.
    """
    folder = Path(run_dir) if run_dir is not None else Path("runs") / spec.name
    try:
        usable = not folder.exists() or folder.is_dir()
    except OSError as error:
        raise StoreError(f"{folder} cannot be used: {error.strerror}.", remedy="Choose another --run-dir.") from error
    if not usable:
        raise StoreError(f"{folder} is no folder.", remedy="Choose another --run-dir.")
    return folder


def data_folder(spec: Spec, data_root: str | PathLike[str] | None) -> Folder:
    """Where relative paths in a spec start: at the folder given, else at the one in ``EMOPMS_DATA``, else at the
    spec's own.

    Raises:
        DataError: The folder named does not exist.
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
