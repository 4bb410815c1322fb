"""What stages leave behind: one folder a stage and key, complete once its ``meta.json`` is there.

Values travel as safetensors, npz and json; nothing is ever pickled or unpickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import filelock
import numpy as np
from loguru import logger
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor


State = Literal["complete", "begun", "damaged", "absent"]
"""Of a stage: a damaged one has files that changed since it was complete."""

_SCRATCH = "scratch"
_UNFINISHED = ".unfinished"


class Artefact:
    """The files of one stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tensors(self, name: str) -> dict[str, Tensor]:
        with self._reading(f"{name}.safetensors") as path:
            return load_file(path)

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        with self._reading(f"{name}.npz") as path, np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)

    def json(self, name: str) -> Any:
        with self._reading(f"{name}.json") as path:
            return json.loads(path.read_text(encoding="utf-8"))

    @contextmanager
    def _reading(self, file: str) -> Iterator[Path]:
        path = self.folder / file
        try:
            yield path
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, SafetensorError) as error:
            raise StoreError(
                f"Stored file {path} cannot be read: {error}", remedy=f"Remove {self.folder} and run again."
            ) from error


class Workspace(Artefact):
    """The folder of a stage that is not complete yet. Every file appears whole or not at all."""

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        with writing(self.folder / f"{name}.safetensors") as path:
            save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, path)

    def save_arrays(self, name: str, **arrays: NDArray[Any]) -> None:
        with writing(self.folder / f"{name}.npz") as path, path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def save_json(self, name: str, value: Any) -> None:
        with writing(self.folder / f"{name}.json") as path:
            path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")

    def has(self, file: str) -> bool:
        return (self.folder / file).exists()

    @property
    def scratch(self) -> Workspace:
        """Room for what only an unfinished stage needs, such as checkpoints; gone once the stage is complete."""
        return Workspace(self.folder / _SCRATCH)


class Store:
    """All stages of one run directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the store. The operating system frees the lock when the holder dies.

        Raises:
            StoreError: Another process holds it, or the folder cannot be written.
        """
        lock = filelock.FileLock(self._root / "lock", blocking=False)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except filelock.Timeout:
            raise StoreError(
                f"Another emopms process is running in {self._root.parent}.",
                remedy="Wait for it, or give this run another --run-dir.",
            ) from None
        except OSError as error:
            raise StoreError(f"{self._root} cannot be used: {error}", remedy="Choose another --run-dir.") from error
        try:
            yield
        finally:
            lock.release()

    def find(self, stage: str, key: str) -> Artefact | None:
        """What a stage left under this key, if it is complete and unchanged since."""
        found = Artefact(self._folder(stage, key))
        state = self.state(stage, key)
        if state == "damaged":
            logger.warning("{} is damaged and will be made again", found.folder)
            shutil.rmtree(found.folder)
        return found if state == "complete" else None

    def state(self, stage: str, key: str) -> State:
        """How a stage stands under this key. Only looks: nothing is locked, written or removed."""
        found = Artefact(self._folder(stage, key))
        if not (found.folder / "meta.json").exists():
            return "begun" if found.folder.exists() else "absent"
        try:
            recorded = found.json("meta")["files"]
        except (StoreError, KeyError, TypeError):
            return "damaged"
        return "complete" if recorded == _checksums(found.folder) else "damaged"

    def begin(self, stage: str, key: str) -> Workspace:
        """The folder to work in: a new one, or what an interrupted attempt left there to be continued."""
        folder = self._folder(stage, key)
        folder.mkdir(parents=True, exist_ok=True)
        return Workspace(folder)

    def complete(self, workspace: Workspace, meta: Mapping[str, Any]) -> Artefact:
        """Declare a stage complete."""
        workspace.save_json("meta", {**meta, "files": _checksums(workspace.folder)})
        shutil.rmtree(workspace.scratch.folder, ignore_errors=True)
        return Artefact(workspace.folder)

    def _folder(self, stage: str, key: str) -> Path:
        return self._root / stage.replace("/", "-") / key[:16]


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A place to write a file or folder to; afterwards it takes the place of ``path``, whole.

    Raises:
        StoreError: It cannot be written.
    """
    unfinished = path.with_name(path.name + _UNFINISHED)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        yield unfinished
        if path.is_dir() and unfinished.is_dir():
            shutil.rmtree(path)
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error}", remedy="Free space, or choose another --run-dir, and run again."
        ) from error


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that belongs to a stage's result, by relative path."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if name != "meta.json" and not name.startswith(f"{_SCRATCH}/") and not name.endswith(_UNFINISHED)
    }
