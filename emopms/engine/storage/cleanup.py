"""What nothing needs any more in a run directory, and its removal.

Only files go that are known to be emopms's own: those that a stage's record names, entries of journals, and what a
killed process left half written. Links are neither followed nor removed.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from emopms.engine.storage.atomic import UNFINISHED
from emopms.engine.storage.lock import HOLDER, lock_holder
from emopms.engine.storage.store import BEGUN, META, PLAN, SCRATCH, Store
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_KILLED = "left by a process that was killed"
_LEFT_OVERS = {
    name + UNFINISHED
    for name in (
        *("models", "front.csv", "spec.resolved.yaml", "manifest.json", "result.json"),
        *(f"store/{PLAN}", f"store/{HOLDER}"),
    )
}
"""Outside of stages nothing else is written whole or not at all: other files with such names are not ours."""
_ENTRY = re.compile(rf"{SCRATCH}/[^/]+/\d{{6,}}-[0-9a-f]{{32}}\.safetensors")
"""Of a journal, below the folder of its stage."""


@dataclass(frozen=True)
class Removable:
    """Files that go together."""

    path: PurePath
    """What they are all in, or the only one of them; relative to the run directory, as all paths here."""
    why: str
    files: tuple[PurePath, ...]
    """All that is removed. Folders go where that leaves them empty."""
    size: int
    """Bytes."""


@dataclass(frozen=True)
class CleanupPlan:
    """What may go."""

    removable: tuple[Removable, ...] = ()
    kept: tuple[str, ...] = ()
    """Why something stays that one might expect to go, or what is not known to be ours."""

    @property
    def size(self) -> int:
        """Bytes that are freed."""
        return sum(removable.size for removable in self.removable)


def find_removable(folder: Path, files: Mapping[PurePath, os.stat_result] | None = None) -> CleanupPlan:
    """Look for what may go in a run directory; nothing while a process is running there.

    Args:
        files: What `regular_files` has found there, where that is known already.
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
    """Remove what may go.

    Returns:
        What was removed.

    Raises:
        StoreError: Another process is running there, or something cannot be removed.
    """
    store = Store(folder / "store")
    with store.lock():
        found = _find_removable(folder, regular_files(folder))  # again: a run may have come and gone
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
    """All files below a folder but links, by relative path. What is gone or closed to us is left out."""
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
    removable: list[Removable] = []
    kept: list[str] = []

    def goes(path: PurePath, why: str, gone: Sequence[PurePath]) -> None:
        if gone:
            removable.append(Removable(path, why, tuple(gone), sum(files[file].st_size for file in gone)))

    try:
        intended = store.read_plan()
        if intended is None:
            kept.append(f"all stages stay: there is no store/{PLAN} that says which are needed")
    except StoreError as error:
        intended = None
        kept.append(f"all stages stay: {error.message}")
    needed = {store.folder(stage, key): (stage, key) for stage, key in (intended or {}).items()}

    for path, outside in _grouped(file for file in files if not _in_stage(file)).items():
        goes(path, _KILLED, outside if str(path) in _LEFT_OVERS else ())
    for path, inside in _grouped(file for file in files if _in_stage(file)).items():
        inner = {file: file.relative_to(path).as_posix() for file in inside}
        planned = needed.get(folder / path)
        if intended is not None and planned is None:
            ours = store.files(folder / path)
            gone = [
                file for file in inside if inner[file] in ours or _is_scratch(inner[file]) or _is_left_over(inner[file])
            ]
            goes(path, "not of the latest run", gone)
            if len(gone) < len(inside):
                kept.append(f"{path} holds files that are not known to be emopms's, and stay")
        else:
            begun = [file for file in inside if _is_scratch(inner[file]) or inner[file] == BEGUN]
            over = begun if begun and planned and store.status(*planned).state == "complete" else []
            goes(path, _KILLED, [file for file in inside if file in over or _is_left_over(inner[file])])
    return CleanupPlan(tuple(removable), tuple(kept))


def _in_stage(file: PurePath) -> bool:
    return file.parts[0] == "store" and len(file.parts) > 3


def _grouped(files: Iterable[PurePath]) -> dict[PurePath, list[PurePath]]:
    """By stage, by what is in the store beside the stages, or by what is in the run directory beside the store."""
    groups: dict[PurePath, list[PurePath]] = {}
    for file in files:
        groups.setdefault(PurePath(*file.parts[: 3 if file.parts[0] == "store" else 1]), []).append(file)
    return groups


def _is_scratch(inner: str) -> bool:
    return _ENTRY.fullmatch(inner) is not None


def _is_left_over(inner: str) -> bool:
    return any(part.endswith(UNFINISHED) for part in inner.split("/"))


def _remove(folder: Path, removable: Removable) -> None:
    """Remove files; a stage is no longer complete before the first of them goes, and until the last has gone it is
    known which of them are its own."""
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
        with suppress(OSError):  # it is not empty: it holds what is not ours
            (folder / parent).rmdir()
