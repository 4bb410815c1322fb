"""Finds and removes files in a run directory that are not needed any more.

It removes only files that emopms wrote: a record of emopms lists the file, or the file name contains a hash that only
emopms gives. Links are neither followed nor removed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from emopms.engine.storage.artefact import BEGUN, META, SCRATCH
from emopms.engine.storage.atomic import is_unfinished
from emopms.engine.storage.journal import is_entry
from emopms.engine.storage.lock import lock_holder
from emopms.engine.storage.outputs import Outputs
from emopms.engine.storage.store import PLAN, Store
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_KILLED = "left by a process that was killed"


@dataclass(frozen=True)
class Removable:
    """Files that are removed together. All paths are relative to the run directory."""

    path: PurePath
    """The folder that contains all files, or the file if there is only one."""
    why: str
    """Why the files are not needed."""
    files: tuple[PurePath, ...]
    """Paths of the files that are removed. A folder that is then empty is removed too."""
    size: int
    """Bytes of all files together."""


@dataclass(frozen=True)
class CleanupPlan:
    """The files that may be removed from a run directory."""

    removable: tuple[Removable, ...] = ()
    kept: tuple[str, ...] = ()
    """Reasons why other files stay: they may be needed, or emopms may not have written them."""

    @property
    def size(self) -> int:
        """Bytes of all files that may be removed."""
        return sum(removable.size for removable in self.removable)


def find_removable(folder: Path, files: Mapping[PurePath, os.stat_result] | None = None) -> CleanupPlan:
    """Find the files that may be removed from a run directory. While a process runs there, no file may be removed.

    Args:
        folder: The run directory.
        files: The result of `regular_files`, if it is known already.
    """
    if folder.is_symlink():
        return CleanupPlan(kept=("a link, so everything stays: clean what it points to",))
    try:
        if running := lock_holder(folder / "store"):
            return CleanupPlan(kept=(f"in use ({running}), so everything stays",))
        return _find_removable(folder, regular_files(folder) if files is None else files)
    except OSError as error:
        return CleanupPlan(kept=(f"everything stays: {error}",))


def clean(folder: Path) -> CleanupPlan:
    """Remove all files of a run directory that may be removed.

    Returns:
        The files that were removed.

    Raises:
        StoreError: Another process is running in the run directory, or a file cannot be removed.
    """
    store = Store(folder / "store")
    if not store.is_marked():
        return find_removable(folder)
    with store.lock():
        found = _find_removable(folder, regular_files(folder))  # under the lock, no run changes the files
        for removable in found.removable:
            try:
                _remove(folder, removable)
            except OSError as error:
                raise StoreError(
                    f"{folder / removable.path} cannot be removed: {error}",
                    remedy="Make it writable; the same command goes on from here.",
                ) from error
    return found


def regular_files(folder: Path) -> dict[PurePath, os.stat_result]:
    """Return all regular files below a folder, by relative path. Links and files that cannot be read are left out."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with suppress(OSError):
                if not path.is_symlink() and path.is_file():
                    found[path.relative_to(folder)] = path.stat()
    return {path: found[path] for path in sorted(found)}


def _find_removable(folder: Path, files: Mapping[PurePath, os.stat_result]) -> CleanupPlan:
    store = Store(folder / "store")
    if not store.is_marked():
        return CleanupPlan(kept=("no record of emopms is in store/, so everything stays",))
    removable: list[Removable] = []
    kept: list[str] = []

    def add(path: PurePath, why: str, own: Sequence[PurePath]) -> None:
        if own:
            removable.append(Removable(path, why, tuple(own), sum(files[file].st_size for file in own)))

    try:
        planned = store.read_plan()
        if planned is None:
            kept.append(f"all stages stay: there is no store/{PLAN} that says which are needed")
    except StoreError as error:
        planned = None
        kept.append(f"all stages stay: {error.message}")
    needed = {store.folder(stage, key): (stage, key) for stage, key in (planned or {}).items()}

    superseded = {PurePath(name) for name in Outputs(folder).superseded()}
    for path, outside in _grouped(file for file in files if not _in_stage(file)).items():
        add(path, _KILLED, [file for file in outside if is_unfinished(file.name)])
        for model, own in _grouped_by(2, (file for file in outside if file in superseded)).items():
            add(model, "of an earlier run", own)
    for path, inside in _grouped(file for file in files if _in_stage(file)).items():
        inner = {file: file.relative_to(path).as_posix() for file in inside}
        stage = needed.get(folder / path)
        if planned is not None and stage is None:
            listed = store.files(folder / path)
            own = [
                file for file in inside if inner[file] in listed or _is_scratch(inner[file]) or _is_half(inner[file])
            ]
            add(path, "not of the latest run", own)
            if len(own) < len(inside):
                kept.append(f"{path} holds files that are not known to be emopms's, and stay")
        else:
            begun = [file for file in inside if _is_scratch(inner[file]) or inner[file] == BEGUN]
            over = begun if begun and stage and store.status(*stage).state == "complete" else []
            add(path, _KILLED, [file for file in inside if file in over or _is_half(inner[file])])
    return CleanupPlan(tuple(removable), tuple(kept))


def _in_stage(file: PurePath) -> bool:
    return file.parts[0] == "store" and len(file.parts) > 3


def _grouped(files: Iterable[PurePath]) -> dict[PurePath, list[PurePath]]:
    """Group the files of a run directory, to show and remove each group together.

    A file of a stage belongs to the stage's folder. Any other file in the store is its own group. A file outside the
    store belongs to the first part of its path.
    """
    groups: dict[PurePath, list[PurePath]] = {}
    for file in files:
        groups.setdefault(PurePath(*file.parts[: 3 if file.parts[0] == "store" else 1]), []).append(file)
    return groups


def _grouped_by(depth: int, files: Iterable[PurePath]) -> dict[PurePath, list[PurePath]]:
    """Group files by the first ``depth`` parts of their paths, such as ``store/<stage>`` for a depth of 2."""
    groups: dict[PurePath, list[PurePath]] = {}
    for file in files:
        groups.setdefault(PurePath(*file.parts[:depth]), []).append(file)
    return groups


def _is_scratch(inner: str) -> bool:
    parts = inner.split("/")
    return len(parts) == 3 and parts[0] == SCRATCH and is_entry(parts[2])


def _is_ours(inner: str) -> bool:
    """Return whether a relative path in a stage's folder is the path of a journal entry or of an unfinished file."""
    return _is_scratch(inner) or _is_half(inner)


def _is_half(inner: str) -> bool:
    return any(is_unfinished(part) for part in inner.split("/"))


def _remove(folder: Path, removable: Removable) -> None:
    """Remove files. If they belong to a stage, mark the stage as unfinished first, and remove its record last.

    If the removal is interrupted, the stage then does not seem complete, and its record still lists the other files.
    """
    meta, begun = folder / removable.path / META, folder / removable.path / BEGUN
    files = {folder / file for file in removable.files}
    if meta in files:
        meta.replace(begun)
    for file in sorted(files - {meta, begun}):
        file.unlink(missing_ok=True)
    if files & {meta, begun}:
        begun.unlink(missing_ok=True)
    parents = {
        parent for file in removable.files for parent in file.parents if parent not in (PurePath(), PurePath("store"))
    }
    for parent in sorted(parents, key=lambda parent: -len(parent.parts)):
        with suppress(OSError):  # the folder is not empty: it holds files that emopms did not write
            (folder / parent).rmdir()
