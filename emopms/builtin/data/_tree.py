"""Image files in a folder on disk, or in a zip file. A zip file is read in place."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from emopms.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

_SUFFIXES: Final = (".jpg", ".jpeg", ".png")
_MOST_BYTES: Final = 256 * 2**20
_ENCRYPTED: Final = 1
_EXIF: Final = (b"Exif\0\0", b"eXIf")
"""Bytes with which EXIF data begin in a JPEG file and in a PNG file."""
_HEAD: Final = 4096
"""Number of bytes at the start of an image file in which its EXIF data begin."""


class ImageFile(NamedTuple):
    """One image file that is not opened yet."""

    path: str
    """Path of the image file relative to the root of the tree, with forward slashes, such as
    `<part>/<class>/<file>`."""
    size: int
    """Size of the uncompressed image file in bytes."""
    crc: int = 0
    """CRC-32 that a zip file states for the content of the image file; 0 for a file on disk. It is checked when the
    image is read."""

    @property
    def label(self) -> str:
        """Name of the folder that contains the image file. It is the class of the image."""
        return self.path.rsplit("/", 2)[1]


class Tree(ABC):
    """The image files in a folder or in a zip file.

    Args:
        root: The folder or the zip file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def images(self, part: str) -> list[ImageFile]:
        """Return the image files of one part, at ``<part>/<class>/<file>``, in natural order of their paths.

        Raises:
            DataError: The tree cannot be read, a link leads out of it, or a file is not a regular file or is too large.
        """
        return self._in_order(self._images(part))

    def everything(self) -> list[ImageFile]:
        """Return all image files below the root of the tree, in natural order of their paths.

        Raises:
            DataError: The tree cannot be read, a link leads out of it, or a file is not a regular file or is too large.
        """
        return self._in_order(self._all())

    def _in_order(self, files: list[ImageFile]) -> list[ImageFile]:
        files = sorted(files, key=lambda file: natural_key(file.path))
        for file in files:
            if file.size > _MOST_BYTES:
                raise DataError(
                    f"{file.path} in {self.root} is {file.size / 2**20:.0f} MiB large.", remedy="Remove that file."
                )
        return files

    @abstractmethod
    def fingerprint(self, files: Sequence[ImageFile]) -> str:
        """Return a hash of the names, the contents and the order of the files.

        Raises:
            DataError: A file cannot be read.
        """

    @abstractmethod
    def folders(self) -> list[str]:
        """Return the names of the folders directly below the root of the tree."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Return the bytes of one image file. Several threads may call this function at the same time."""

    @abstractmethod
    def _images(self, part: str) -> list[ImageFile]: ...

    @abstractmethod
    def _all(self) -> list[ImageFile]: ...


def open_tree(root: Path, parts: Sequence[str] = ()) -> Tree:
    """Return the tree of a folder or of a zip file.

    Args:
        root: The folder or the zip file.
        parts: The folders inside ``root`` that will be read; empty to read everything. If all files of a zip file are
            in one folder that is not one of ``parts``, this folder is the root.

    Raises:
        DataError: ``root`` is neither a folder nor a readable zip file, or the zip file has links, repeated names or
            paths that lead out of it.
    """
    return _DiskTree(root) if root.is_dir() else _ZipTree(root, parts)


def _hash_of(facts: Sequence[tuple[object, ...]], *more: str) -> str:
    return hashlib.sha256("\n".join([*map(repr, facts), *more]).encode()).hexdigest()


def natural_key(text: str) -> tuple[str, str]:
    """Return the sort key of a text in natural order, which puts `2` before `10`."""
    return re.sub(r"[0-9]+", lambda digits: digits[0].zfill(20), text), text


class _DiskTree(Tree):
    def fingerprint(self, files: Sequence[ImageFile]) -> str:
        """Hash the content of every image file. File sizes and times are not enough: they may stay equal when pixels
        change."""
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            digests = list(pool.map(self._digest, files))
        return _hash_of([(file.path, file.size, digest) for file, digest in zip(files, digests, strict=True)])

    def _digest(self, file: ImageFile) -> str:
        if not file.size:
            return ""
        try:
            with (self.root / file.path).open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(self.root / file.path, error) from error

    def folders(self) -> list[str]:
        return [name for name, entry in _visible(self.root) if entry.is_dir()]

    def read(self, path: str) -> bytes:
        file = self.root / path
        # Files of the system, such as in /proc, have size 0, and to read them may never end.
        if not file.stat().st_size:
            return b""
        with file.open("rb") as content:
            return content.read(_MOST_BYTES + 1)

    def _images(self, part: str) -> list[ImageFile]:
        top = self.root / part
        try:
            if not top.is_dir():
                return []
            self._require_inside(top)
            labels = [name for name, entry in _visible(top) if entry.is_dir() and self._is_ours(entry)]
            return [
                self._image(f"{part}/{label}/{name}", entry)
                for label in labels
                for name, entry in _visible(top / label)
                if name.lower().endswith(_SUFFIXES) and not entry.is_dir()
            ]
        except OSError as error:
            raise _unreadable(top, error) from error

    def _all(self) -> list[ImageFile]:
        return self._below("")

    def _below(self, folder: str) -> list[ImageFile]:
        found = []
        try:
            for name, entry in _visible(self.root / folder):
                path = f"{folder}{name}"
                if entry.is_dir(follow_symlinks=False):  # a link may lead back up
                    found += self._below(f"{path}/")
                elif name.lower().endswith(_SUFFIXES) and not entry.is_dir():
                    found.append(self._image(path, entry))
        except OSError as error:
            raise _unreadable(self.root / folder, error) from error
        return found

    def _image(self, path: str, entry: os.DirEntry[str]) -> ImageFile:
        self._is_ours(entry)
        if not entry.is_file():  # to read a pipe might never end
            raise DataError(f"{path} in {self.root} is no file.", remedy="Remove it.")
        return ImageFile(path, entry.stat().st_size)

    def _is_ours(self, entry: os.DirEntry[str]) -> bool:
        """Return True for a directory entry of the tree. If it is a link that leads out of the tree, raise a
        `DataError`."""
        if entry.is_symlink():
            self._require_inside(Path(entry.path))
        return True

    def _require_inside(self, path: Path) -> None:
        """Refuse a path whose links lead out of the tree. The author of a data set must not choose other files to read.

        Raises:
            DataError: The path leads out of the tree.
        """
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise DataError(
                f"{path} leads out of {self.root}, to {path.resolve()}.",
                remedy="Copy there what it leads to, or name the folder that holds both as `root`.",
            )


def _unreadable(folder: Path, error: OSError) -> DataError:
    return DataError(f"{folder} cannot be read: {error}", remedy="Check its permissions.")


def _visible(folder: Path) -> list[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as entries:
        return [(entry.name, entry) for entry in entries if not entry.name.startswith(".")]


class _PositionedFile(io.RawIOBase):
    """A file that keeps its own position. Processes that are forked can read it side by side: they share the position
    of an ordinary file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._position = path.open("rb", buffering=0), 0
        self._size = os.fstat(self._file.fileno()).st_size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        count = os.preadv(self._file.fileno(), [buffer], self._position)
        self._position += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _ZipTree(Tree):
    """The image files in a zip file. The zip file stays open: even if another file replaces it, its own images are
    read."""

    def __init__(self, root: Path, parts: Sequence[str]) -> None:
        super().__init__(root)
        try:
            if not root.is_file():  # to read a pipe might never end
                raise ValueError("it is no file")
            if not root.stat().st_size:  # a file of the system, such as in /proc, has size 0 too
                raise ValueError("it is empty")
            self._archive = zipfile.ZipFile(io.BufferedReader(_PositionedFile(root)))
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{root} is neither a folder nor a whole zip file: {error}.", remedy="Download or pack it again."
            ) from error
        self._members = self._checked()
        self._prefix = ""
        tops = self.folders()
        if parts and len(tops) == 1 and not any(part.split("/")[0] == tops[0] for part in parts):
            self._prefix = f"{tops[0]}/"

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        """Return the members of the zip file by name. Folders and hidden files are left out.

        Raises:
            DataError: A path leads out of the zip file, a member is a link, or a name occurs twice.
        """
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._archive.infolist():
            name = info.filename
            if name.startswith("/") or ".." in name.split("/"):
                self._refuse(name, "leads out of the archive")
            if not _is_visible(name):
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                self._refuse(name, "is a link")
            if name in members:
                self._refuse(name, "is there twice")
            members[name] = info
        return members

    def fingerprint(self, files: Sequence[ImageFile]) -> str:
        """Hash names, sizes and CRC-32s of the image files. A CRC-32 depends on the content of a file, and not on its
        compression."""
        # Earlier versions ignored the EXIF orientation, so their stored results are wrong for images with EXIF data.
        upright = ["upright"] if any(map(self._may_be_turned, files)) else []
        return _hash_of([tuple(file) for file in files], *upright)

    def _may_be_turned(self, file: ImageFile) -> bool:
        try:
            with self._archive.open(self._members[self._prefix + file.path]) as content:
                head = content.read(_HEAD)
        except (OSError, ValueError, NotImplementedError, EOFError, zipfile.BadZipFile, zlib.error):
            return False  # the decoder will report that the file is damaged
        return any(mark in head for mark in _EXIF)

    def folders(self) -> list[str]:
        inside = (name[len(self._prefix) :] for name in self._members)
        return sorted({name.split("/", 1)[0] for name in inside if "/" in name})

    def read(self, path: str) -> bytes:
        info = self._members[self._prefix + path]
        with self._archive.open(info) as file:
            # Without a number, a file that is larger than its stated size could fill the memory.
            return file.read(info.file_size)

    def _images(self, part: str) -> list[ImageFile]:
        start = f"{self._prefix}{part}/"
        inside = [name for name in self._members if name.startswith(start) and name.count("/", len(start)) == 1]
        return [self._image(name) for name in inside if name.lower().endswith(_SUFFIXES)]

    def _all(self) -> list[ImageFile]:
        return [self._image(name) for name in self._members if name.lower().endswith(_SUFFIXES)]

    def _image(self, name: str) -> ImageFile:
        info = self._members[name]
        if info.flag_bits & _ENCRYPTED:
            self._refuse(name, "is encrypted")
        return ImageFile(name[len(self._prefix) :], info.file_size, info.CRC)

    def _refuse(self, name: str, what: str) -> NoReturn:
        raise DataError(
            f"{name} in {self.root} {what}.",
            remedy="Pack the images again, as plain files without a password.",
        )


def _is_visible(name: str) -> bool:
    """Return whether a member of a zip file is used, by its name: not a folder, not hidden, and no empty part in its
    path."""
    rooted = f"/{name}"
    return not ("//" in rooted or "/." in rooted or name.endswith("/") or name.startswith("__MACOSX/"))
