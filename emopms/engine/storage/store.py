"""What stages leave behind: one folder a stage and key, complete once its ``meta.json`` is there.

``meta.json`` records the checksums of all files and its own. Whatever is read is compared with them first, so a file
that was cut short, changed or exchanged is never taken for what a stage made.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from loguru import logger

from emopms.engine.storage.atomic import write_atomic
from emopms.engine.storage.journal import Journal
from emopms.engine.storage.lock import hold_lock
from emopms.engine.storage.serialization import (
    UNREADABLE,
    decode_arrays,
    decode_json,
    decode_tensors,
    encode_arrays,
    encode_json,
    encode_tensors,
)
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor


Value = TypeVar("Value")

State = Literal["complete", "begun", "damaged", "absent"]
"""Of a stage: a damaged one has files that changed since it was complete."""

FORMAT: Final = 1
"""Of stored stages. Raised when this version cannot read what the one before has written."""

META: Final = "meta.json"
BEGUN: Final = "begun.json"
"""What ``meta.json`` would say of a stage that is not complete: which of the files there are its own."""
PLAN: Final = "plan.json"
SCRATCH: Final = "scratch"


class Artefact:
    """The files of one stage.

    Args:
        folder: Where they are.
        meta: What is recorded about it; under ``files`` their SHA-256, by relative path.
    """

    def __init__(self, folder: Path, meta: Mapping[str, Any]) -> None:
        self.folder, self.meta = folder, meta

    @property
    def files(self) -> list[str]:
        """Relative paths of all its files."""
        return sorted(self.meta["files"])

    def tensors(self, name: str) -> dict[str, Tensor]:
        return self._read(f"{name}.safetensors", decode_tensors)

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        return self._read(f"{name}.npz", decode_arrays)

    def json(self, name: str) -> Any:
        return self._read(f"{name}.json", decode_json)

    def content(self, file: str) -> bytes:
        """Of a file, by its relative path."""
        return self._read(file, bytes)

    def _read(self, file: str, decode: Callable[[bytes], Value]) -> Value:
        path = self.folder / file
        try:
            content = path.read_bytes()
            if _digest(content) != self.meta["files"].get(file):
                raise StoreError(
                    f"Stored file {path} changed while it was in use.",
                    remedy="Run again: what is damaged is made anew.",
                )
            return decode(content)
        except UNREADABLE as error:
            raise StoreError(
                f"Stored file {path} cannot be read: {error}", remedy=f"Remove {self.folder} and run again."
            ) from error


class Workspace(Artefact):
    """The folder of a stage that is not complete yet. Every file appears whole or not at all."""

    def __init__(self, folder: Path, *, stage: str, key: str) -> None:
        self._written: dict[str, str] = {}
        super().__init__(folder, {"format": FORMAT, "stage": stage, "key": key, "files": self._written})

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        self._save(f"{name}.safetensors", encode_tensors(tensors))

    def save_arrays(self, name: str, **arrays: NDArray[Any]) -> None:
        self._save(f"{name}.npz", encode_arrays(arrays))

    def save_json(self, name: str, value: Any) -> None:
        self._save(f"{name}.json", encode_json(value))

    def record(self, *paths: Path) -> None:
        """Files in the folder that something else has written belong to the result."""
        for path in paths:
            self._written[path.relative_to(self.folder).as_posix()] = _digest_of(path)
        self._note()

    def journal(self, name: str) -> Journal:
        """What an interrupted attempt had got to; gone once the stage is complete."""
        return Journal(self.folder / SCRATCH / name, owner=f"{self.meta['stage']} {self.meta['key']}")

    def _save(self, file: str, content: bytes) -> None:
        path = self.folder / file
        if path.is_dir():  # not ours: it has a file's name
            shutil.rmtree(path, ignore_errors=True)
        write_atomic(path, content)
        self._written[file] = _digest(content)
        self._note()

    def _note(self) -> None:
        """Should the stage never be complete, this tells its files from those of others."""
        write_atomic(self.folder / BEGUN, encode_json(_sealed(self.meta)))


@dataclass(frozen=True)
class StageStatus:
    """How a stage stands in the store."""

    state: State
    artefact: Artefact | None = None
    """What it left, where that is complete."""
    why: str = ""
    """What is damaged."""


class Store:
    """All stages of one run directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def lock(self) -> AbstractContextManager[None]:
        """Hold the store.

        Raises:
            StoreError: Another process holds it, or the folder cannot be written.
        """
        return hold_lock(self._root)

    def write_plan(self, keys: Mapping[str, str]) -> None:
        """Write down what the present run is made of: the keys of its stages."""
        write_atomic(self._root / PLAN, encode_json(_sealed({"format": FORMAT, "stages": dict(keys)})))

    def read_plan(self) -> dict[str, str] | None:
        """What the latest run is made of: the keys of its stages. None where no run has written that down.

        Raises:
            StoreError: It cannot be read, or is not what was written.
        """
        path = self._root / PLAN
        if not os.path.lexists(path):
            return None
        try:
            written = _unsealed(decode_json(path.read_bytes()))
            ours, keys = written["format"] == FORMAT, dict(written["stages"])
        except UNREADABLE as error:
            raise StoreError(
                f"{path} cannot be read: {error}", remedy="Run the spec again, which writes it."
            ) from error
        if not ours:
            raise StoreError(f"{path} is of another version of emopms.", remedy="Run the spec again, which writes it.")
        return keys

    def files(self, folder: Path) -> frozenset[str]:
        """Which files in a folder belong to the stage there, complete or not, by relative path; none that is unsure."""
        for name in (META, BEGUN):
            try:
                meta = _unsealed(decode_json((folder / name).read_bytes()))
                if meta["format"] == FORMAT and self.folder(meta["stage"], meta["key"]) == folder:
                    return frozenset({*meta["files"], META, BEGUN})
            except UNREADABLE:
                continue
        return frozenset()

    def find(self, stage: str, key: str) -> StageStatus:
        """How a stage stands under this key, for a run that goes on from there: what is damaged is named in the log and
        forgotten.

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
        """How a stage stands under this key. Only looks: nothing is locked, written or removed."""
        folder = self.folder(stage, key)
        path = folder / META
        if not os.path.lexists(path):
            return StageStatus("begun" if folder.is_dir() else "absent")
        try:
            meta = _unsealed(decode_json(path.read_bytes()))
            ours, recorded = meta["format"] == FORMAT, dict(meta["files"])
        except UNREADABLE as error:
            return StageStatus("damaged", why=f"{path}: {error}")
        if not ours:
            return StageStatus("damaged", why=f"{path}: of another version of emopms")
        if (meta.get("stage"), meta.get("key")) != (stage, key):
            return StageStatus("damaged", why=f"{path}: of another stage")
        for file, digest in recorded.items():
            try:
                if _digest_of(folder / file) != digest:
                    return StageStatus("damaged", why=f"{folder / file}: changed")
            except OSError as error:
                return StageStatus("damaged", why=f"{folder / file}: {error.strerror}")
        return StageStatus("complete", Artefact(folder, meta))

    def begin(self, stage: str, key: str) -> Workspace:
        """The folder to work in: a new one, or what an interrupted attempt left there to be continued."""
        return Workspace(self.folder(stage, key), stage=stage, key=key)

    def complete(self, workspace: Workspace, **facts: Any) -> Artefact:
        """Declare a stage complete, and write down some facts with it."""
        meta = {**workspace.meta, **facts}
        write_atomic(workspace.folder / META, encode_json(_sealed(meta)))
        shutil.rmtree(workspace.folder / SCRATCH, ignore_errors=True)
        (workspace.folder / BEGUN).unlink(missing_ok=True)
        return Artefact(workspace.folder, meta)

    def _forget(self, stage: str, key: str) -> None:
        """Let a stage be incomplete. Its files are written over, and those of others stay."""
        path = self.folder(stage, key) / META
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            raise StoreError(f"{path} is damaged and cannot be removed: {error}", remedy=f"Remove {path}.") from error

    def folder(self, stage: str, key: str) -> Path:
        """Where a stage keeps what it makes under this key."""
        return self._root / stage.replace("/", "-") / key[:16]


def _sealed(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {**meta, "checksum": _digest(json.dumps(meta, sort_keys=True).encode())}


def _unsealed(sealed: Any) -> dict[str, Any]:
    """What was sealed.

    Raises:
        ValueError: It is not what was sealed.
    """
    if not isinstance(sealed, dict):
        raise ValueError("changed")
    meta = {name: value for name, value in sealed.items() if name != "checksum"}
    if _sealed(meta) != sealed:
        raise ValueError("changed")
    return meta


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
