"""The store of a run directory: one folder a stage and key, complete once its ``meta.json`` is there.

``meta.json`` records the checksums of all files and its own. Whatever is read is compared with them first, so a file
that was cut short, changed or exchanged is never taken for what a stage made.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Literal

from loguru import logger

from emopms.engine.storage.artefact import BEGUN, FORMAT, META, Artefact, Workspace
from emopms.engine.storage.lock import HeldLock, hold_lock
from emopms.engine.storage.sealed import read_sealed, write_sealed
from emopms.engine.storage.serialization import UNREADABLE
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

State = Literal["complete", "begun", "damaged", "absent"]
"""Of a stage: a damaged one has files that changed since it was complete."""

PLAN: Final = "plan.json"
"""Record of the latest run's stages."""
MARK: Final = "emopms.json"
"""Record that tells that a folder is a store of emopms."""


@dataclass(frozen=True)
class StageStatus:
    """The state of a stage in the store."""

    state: State
    artefact: Artefact | None = None
    """Its files, where it is complete."""
    why: str = ""
    """What is damaged."""


class Store:
    """All stages of one run directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock: HeldLock | None = None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the store, and mark it as one.

        Raises:
            StoreError: Another process holds it, or the folder cannot be written.
        """
        with hold_lock(self._root) as self._lock:
            try:
                if not os.path.lexists(self._root / MARK):
                    write_sealed(self._root / MARK, {"format": FORMAT, "emopms": version("emopms")})
                yield
            finally:
                self._lock = None

    def is_marked(self) -> bool:
        """Return whether emopms made this store: its mark, its plan or a stage's record says so."""
        records = (
            self._root / MARK,
            self._root / PLAN,
            *self._root.glob(f"*/*/{META}"),
            *self._root.glob(f"*/*/{BEGUN}"),
        )
        return any(_is_record(path) for path in records)

    def write_plan(self, keys: Mapping[str, str]) -> None:
        """Record the stages of the present run, with their keys.

        Raises:
            StoreError: It cannot be written.
        """
        self._require_held()
        write_sealed(self._root / PLAN, {"format": FORMAT, "stages": dict(keys)})

    def read_plan(self) -> dict[str, str] | None:
        """Return the stages of the latest run, with their keys; None where no run has recorded them.

        Raises:
            StoreError: The record cannot be read, or is not what was written.
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
        """Return the files in a folder that belong to its stage, complete or not, by relative path.

        They are those that the stage's own record names; none where there is no record that can be relied on.
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
        """Return the state of a stage under this key, for a run: the log names what is damaged, and it is forgotten.

        Raises:
            StoreError: What is damaged cannot be removed, or something else is in the stage's place.
        """
        folder, found = self.folder(stage, key), self.status(stage, key)
        if os.path.lexists(folder) and not folder.is_dir():
            raise StoreError(f"{folder} is no folder.", remedy="It is not ours: remove or rename it.")
        if found.state == "damaged":
            logger.warning("{}: what is stored is damaged ({}), and is made again", stage, found.why)
            self._forget(stage, key)
        return found

    def status(self, stage: str, key: str) -> StageStatus:
        """Return the state of a stage under this key. Nothing is locked, written or removed."""
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

    def begin(self, stage: str, key: str) -> Workspace:
        """Return the folder to work in: a new one, or what an interrupted attempt left there to be continued."""
        self._require_held()
        return Workspace(self.folder(stage, key), stage=stage, key=key, require_held=self._require_held)

    def _require_held(self) -> None:
        if self._lock is not None:
            self._lock.require_held()

    def _forget(self, stage: str, key: str) -> None:
        """Let a stage be incomplete. Its files are written over, and those of others stay."""
        path = self.folder(stage, key) / META
        try:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # only an empty one goes
            else:
                path.unlink()
        except OSError as error:
            raise StoreError(f"{path} is damaged and cannot be removed: {error}", remedy=f"Remove {path}.") from error

    def folder(self, stage: str, key: str) -> Path:
        """Return where a stage keeps what it makes under this key."""
        return self._root / stage.replace("/", "-") / key[:16]


def _is_record(path: Path) -> bool:
    try:
        return "format" in read_sealed(path)
    except UNREADABLE:
        return False
