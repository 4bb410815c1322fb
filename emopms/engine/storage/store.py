"""The store of a run directory. It has one folder for each stage and key.

A stage is complete when its folder contains ``meta.json``. This record holds the checksums of all files of the stage,
and its own checksum. Every file is compared with its checksum when it is read. So a truncated, changed or exchanged
file is never used as a result of a stage.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Literal

from loguru import logger

from emopms.engine.storage.artefact import BEGUN, FORMAT, META, Artefact, Workspace
from emopms.engine.storage.atomic import is_unfinished
from emopms.engine.storage.lock import HOLDER, LOCK, HeldLock, hold_lock
from emopms.engine.storage.sealed import read_sealed, write_sealed
from emopms.engine.storage.serialization import UNREADABLE
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

State = Literal["complete", "begun", "damaged", "absent"]
"""The state of a stage. ``damaged``: a file changed after the stage was completed."""

PLAN: Final = "plan.json"
"""File name of the record of the latest run's stages and keys."""
MARK: Final = "emopms.json"
"""File name of the record that marks a folder as a store of emopms."""
_COMPARISON_MARK: Final = "comparison.json"
"""File name of the record that marks the store of a comparison. It holds no stages: each seed has a run directory."""


@dataclass(frozen=True)
class StageStatus:
    """The state of a stage in the store."""

    state: State
    artefact: Artefact | None = None
    """The files of the stage, if it is complete."""
    why: str = ""
    """A description of the damage; empty if the stage is not damaged."""


@dataclass(frozen=True)
class LastRun:
    """The record of the latest run in a store."""

    stages: Mapping[str, str]
    """The keys of the stages, by name."""
    code: Mapping[str, str]
    """Hashes of the code that the spec named, by its name, such as ``my_cost.py``."""


class Store:
    """All stages of one run directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock: HeldLock | None = None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the store while the ``with`` statement runs, and mark the folder as a store of emopms.

        Raises:
            StoreError: Another process holds the lock, or the folder cannot be written.
        """
        self._require_ours()
        with hold_lock(self._root) as self._lock:
            try:
                if not _is_record(self._root / MARK):
                    write_sealed(self._root / MARK, {"format": FORMAT, "emopms": version("emopms")})
                yield
            finally:
                self._lock = None

    def _require_ours(self) -> None:
        """Refuse a folder that is in use for something else: files with our names there would be overwritten.

        Raises:
            StoreError: The folder belongs to a comparison, or has files, and no record of emopms is among them.
        """
        if _is_record(self._root / _COMPARISON_MARK):
            raise StoreError(
                f"{self._root.parent} is the folder of a comparison: a run there would take over its files.",
                remedy="Choose another --run-dir.",
            )
        names = [path.name for path in self._root.iterdir()] if self._root.is_dir() else []
        foreign = [name for name in names if name not in (LOCK, HOLDER) and not is_unfinished(name)]
        if foreign and not self.is_marked():
            raise StoreError(
                f"{self._root} holds files that emopms did not write: {', '.join(sorted(foreign)[:3])}.",
                remedy="Choose another --run-dir, or move these files away.",
            )

    def is_marked(self) -> bool:
        """Return whether emopms made this store: it contains a mark, a plan or a record of a stage."""
        records = (
            self._root / MARK,
            self._root / PLAN,
            *self._root.glob(f"*/*/{META}"),
            *self._root.glob(f"*/*/{BEGUN}"),
        )
        return any(_is_record(path) for path in records)

    def write_plan(self, keys: Mapping[str, str], code: Mapping[str, str] | None = None) -> None:
        """Write the record of the stages and keys of the present run.

        Args:
            keys: The key of each stage.
            code: Hashes of the code that the spec names, by its name.

        Raises:
            StoreError: The record cannot be written.
        """
        self._require_held()
        write_sealed(self._root / PLAN, {"format": FORMAT, "stages": dict(keys), "code": dict(code or {})})

    def last_run(self) -> LastRun:
        """Return what is known of the latest run. It is empty if there is no record, or if it cannot be read."""
        with suppress(*UNREADABLE, AttributeError):
            written = read_sealed(self._root / PLAN)
            if written["format"] == FORMAT:
                return LastRun(dict(written["stages"]), dict(written.get("code", {})))
        return LastRun({}, {})

    def read_plan(self) -> dict[str, str] | None:
        """Return the keys of the stages of the latest run, by name; None if there is no record.

        Raises:
            StoreError: The record cannot be read, or emopms did not write it.
        """
        path = self._root / PLAN
        if not os.path.lexists(path):
            return None
        try:
            written = read_sealed(path)
            ours, keys = written["format"] == FORMAT, dict(written["stages"])
        except UNREADABLE as error:
            raise StoreError(
                f"{path} cannot be read: {error}", remedy="Run the spec again, which writes it."
            ) from error
        if not ours:
            raise StoreError(f"{path} is of another version of emopms.", remedy="Run the spec again, which writes it.")
        return keys

    def files(self, folder: Path) -> frozenset[str]:
        """Return the relative paths of the files that the record of a stage lists, and of the record itself.

        The stage may be complete or unfinished. Without a valid record, no file is returned.

        Args:
            folder: The folder of the stage.
        """
        for name in (META, BEGUN):
            try:
                meta = read_sealed(folder / name)
                if meta["format"] == FORMAT and self.folder(meta["stage"], meta["key"]) == folder:
                    return frozenset({*meta["files"], META, BEGUN})
            except UNREADABLE:
                continue
        return frozenset()

    def find(self, stage: str, key: str) -> StageStatus:
        """Return the state of a stage, and prepare a damaged stage to run again.

        If the stage is damaged, a warning is logged, and the stage is no longer marked as complete.

        Raises:
            StoreError: The record of the damaged stage cannot be removed, or the stage's path is not a folder.
        """
        folder, found = self.folder(stage, key), self.status(stage, key)
        if os.path.lexists(folder) and not folder.is_dir():
            raise StoreError(f"{folder} is no folder.", remedy="It is not ours: remove or rename it.")
        if found.state == "damaged":
            logger.warning("{}: the stored result is damaged ({}), so the stage runs again", stage, found.why)
            self._forget(stage, key)
        return found

    def status(self, stage: str, key: str) -> StageStatus:
        """Return the state of a stage that is stored under a key. Nothing is locked, written or removed."""
        folder = self.folder(stage, key)
        path = folder / META
        if not os.path.lexists(path):
            return StageStatus("begun" if folder.is_dir() else "absent")
        try:
            meta = read_sealed(path)
            ours, artefact = meta["format"] == FORMAT, Artefact(folder, {**meta, "files": dict(meta["files"])})
        except UNREADABLE as error:
            return StageStatus("damaged", why=f"{path}: {error}")
        if not ours:
            return StageStatus("damaged", why=f"{path}: of another version of emopms")
        if (meta.get("stage"), meta.get("key")) != (stage, key):
            return StageStatus("damaged", why=f"{path}: of another stage")
        damage = artefact.damage()
        return StageStatus("damaged", why=damage) if damage else StageStatus("complete", artefact)

    def seconds(self, stage: str) -> float | None:
        """Return the seconds that a stage took when it was last completed, under any key; None if no record of it
        exists."""
        records = self._root.glob(f"{stage.replace('/', '-')}/*/{META}")
        for path in sorted(records, key=lambda path: path.lstat().st_mtime, reverse=True):
            with suppress(*UNREADABLE):
                return float(read_sealed(path)["seconds"])
        return None

    def begin(self, stage: str, key: str) -> Workspace:
        """Return the workspace of a stage. It may hold files of an interrupted attempt, which the stage continues."""
        self._require_held()
        return Workspace(self.folder(stage, key), stage=stage, key=key, require_held=self._require_held)

    def _require_held(self) -> None:
        if self._lock is not None:
            self._lock.require_held()

    def _forget(self, stage: str, key: str) -> None:
        """Mark a damaged stage as unfinished. A new attempt replaces the stage's files; other files in its folder
        stay."""
        path = self.folder(stage, key) / META
        try:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # removes only an empty folder
            else:
                path.unlink()
        except OSError as error:
            raise StoreError(f"{path} is damaged and cannot be removed: {error}", remedy=f"Remove {path}.") from error

    def folder(self, stage: str, key: str) -> Path:
        """Return the folder in which a stage is stored under a key."""
        return self._root / stage.replace("/", "-") / key[:16]


@contextmanager
def lock_comparison(root: Path) -> Iterator[None]:
    """Hold the lock of the store of a comparison while the ``with`` statement runs, and mark the folder so.

    Args:
        root: The folder. `emopms.engine.storage.inventory.is_run` says whether a run uses it.

    Raises:
        StoreError: Another process holds the lock, or the folder cannot be written.
    """
    with hold_lock(root):
        if not _is_record(root / _COMPARISON_MARK):
            write_sealed(root / _COMPARISON_MARK, {"format": FORMAT, "emopms": version("emopms")})
        yield


def _is_record(path: Path) -> bool:
    try:
        return "format" in read_sealed(path)
    except UNREADABLE:
        return False
