"""Artefacts: the files of one stage. Each file is written atomically, and its checksum is compared when it is read."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from emopms.engine.storage.atomic import read_regular, regular_size, unfinished_name, write_atomic
from emopms.engine.storage.journal import Journal, is_entry
from emopms.engine.storage.sealed import write_sealed
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
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

Value = TypeVar("Value")

FORMAT: Final = 1
"""Version number of the format of stored stages. Raise it when emopms can no longer read stages in the preceding
format."""

META: Final = "meta.json"
"""File name of the record of a complete stage."""
BEGUN: Final = "begun.json"
"""File name of the record of an unfinished stage. The record lists the files that the stage wrote."""
SCRATCH: Final = "scratch"
"""Name of the folder, inside the folder of a stage, for journals. Only an unfinished stage has journals."""


class Artefact:
    """The files of one stage.

    Args:
        folder: The folder of the files.
        meta: The record of the stage. ``files`` maps the relative path of each file to its SHA-256, and ``sizes`` maps
            it to its size in bytes.
    """

    def __init__(self, folder: Path, meta: Mapping[str, Any]) -> None:
        self.folder, self.meta = folder, meta

    @property
    def files(self) -> list[str]:
        """Paths of all files of the stage, relative to the folder of the stage."""
        return sorted(self.meta["files"])

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Read the tensors in the file ``<name>.safetensors`` of the stage.

        Raises:
            StoreError: The file is missing or changed. The other methods that read files raise this error too.
        """
        return self._read(f"{name}.safetensors", decode_tensors)

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read the arrays in the file ``<name>.npz`` of the stage."""
        return self._read(f"{name}.npz", decode_arrays)

    def json(self, name: str) -> Any:
        """Read the values in the file ``<name>.json`` of the stage."""
        return self._read(f"{name}.json", decode_json)

    def content(self, file: str) -> bytes:
        """Return the bytes of a file of the stage, by its path relative to the folder of the stage."""
        return self._read(file, bytes)

    def damage(self) -> str:
        """Describe the first file that changed since the stage was completed; empty if no file changed."""
        sizes = self.meta.get("sizes", {})
        for file, digest in self.meta["files"].items():
            path = self.folder / file
            try:
                size = regular_size(path)
                if size != sizes.get(file, size) or digest_of_file(path) != digest:
                    return f"{path}: changed"
            except OSError as error:
                return f"{path}: {error.strerror}"
            except ValueError as error:
                return f"{path}: {error}"
        return ""

    def _read(self, file: str, decode: Callable[[bytes], Value]) -> Value:
        path = self.folder / file
        try:
            content = read_regular(path, most=self.meta.get("sizes", {}).get(file))
            if digest_of(content) != self.meta["files"].get(file):
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
    """The folder of an unfinished stage. Every file is written atomically.

    Args:
        folder: The folder.
        stage: Name of the stage.
        key: Key of the stage.
        require_held: Called before each write. It raises an error if another process may be writing to the store.
    """

    def __init__(self, folder: Path, *, stage: str, key: str, require_held: Callable[[], None] = lambda: None) -> None:
        self._written: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._require_held = require_held
        meta = {"format": FORMAT, "stage": stage, "key": key, "files": self._written, "sizes": self._sizes}
        super().__init__(folder, meta)

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write tensors to the file ``<name>.safetensors`` of the stage.

        Raises:
            StoreError: The file cannot be written. The other methods that write files raise this error too.
        """
        self._save(f"{name}.safetensors", encode_tensors(tensors))

    def save_arrays(self, name: str, **arrays: NDArray[Any]) -> None:
        """Write arrays to the file ``<name>.npz`` of the stage."""
        self._save(f"{name}.npz", encode_arrays(arrays))

    def save_json(self, name: str, value: Any) -> None:
        """Write values to the file ``<name>.json`` of the stage."""
        self._save(f"{name}.json", encode_json(value))

    @contextmanager
    def folder_for(self, name: str) -> Iterator[Path]:
        """Yield an empty folder for files that other code writes.

        At the end of the ``with`` statement, the files become files of the stage, with paths below ``name``.

        Raises:
            StoreError: The files cannot be moved to the stage's folder.
        """
        with self.temporary_folder(name) as unfinished:
            yield unfinished
            for file in sorted(path for path in unfinished.rglob("*") if path.is_file()):
                self._save(f"{name}/{file.relative_to(unfinished).as_posix()}", file.read_bytes())

    @contextmanager
    def temporary_folder(self, name: str) -> Iterator[Path]:
        """Yield an empty folder for files that other code writes. It is removed at the end of the ``with`` statement.

        Raises:
            StoreError: The folder cannot be made, or a file cannot be read, written or removed.
        """
        unfinished = self.folder / unfinished_name(name.replace("/", "-"))
        try:
            if unfinished.is_dir():
                shutil.rmtree(unfinished)  # a killed attempt of emopms left it: the name contains a hash
            unfinished.mkdir(parents=True)
            try:
                yield unfinished
            finally:
                shutil.rmtree(unfinished)
                with suppress(OSError):  # these folders hold other files
                    self.folder.rmdir()
                    self.folder.parent.rmdir()
        except OSError as error:
            raise StoreError(
                f"{unfinished} cannot be written: {error}", remedy="Remove what is in its way, or free space."
            ) from error

    def journal(self, name: str) -> Journal:
        """Return a journal that holds the progress of the unfinished stage. If the stage is interrupted, its next
        attempt continues the journal."""
        self._require_held()
        return Journal(self.folder / SCRATCH / name, owner=f"{self.meta['stage']} {self.meta['key']}")

    def complete(self, facts: Mapping[str, Any]) -> Artefact:
        """Mark the stage as complete, and remove its journals.

        Args:
            facts: Additional values for the record, as JSON.
        """
        self._require_held()
        meta = {**self.meta, **facts}
        write_sealed(self.folder / META, meta)
        scratch = self.folder / SCRATCH
        for path in sorted(scratch.glob("*/*")):
            if is_entry(path.name):
                path.unlink(missing_ok=True)
        for folder in (*scratch.glob("*"), scratch):
            with suppress(OSError):  # the folder is not empty, or does not exist
                folder.rmdir()
        (self.folder / BEGUN).unlink(missing_ok=True)
        return Artefact(self.folder, meta)

    def _save(self, file: str, content: bytes) -> None:
        self._require_held()
        write_atomic(self.folder / file, content)
        self._written[file], self._sizes[file] = digest_of(content), len(content)
        write_sealed(self.folder / BEGUN, self.meta)


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
