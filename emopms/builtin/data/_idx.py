"""Reads idx files. They hold two zero bytes, a type code, the number of dimensions, the sizes as big-endian words of
four bytes, and the values."""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from emopms.api import Images, Source
from emopms.builtin.data._room import require_room
from emopms.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_UINT8: Final = 8
_MOST_BYTES: Final = 2**32 - 1  # what the length at the end of a gzip file can say
_DEFLATE_RATIO: Final = 1032  # no deflate stream expands further


class IdxSource(Source):
    """Four idx files in one folder. Labels are read when the folder is opened, and images when they are used."""

    def __init__(self, root: Path) -> None:
        self._train = _Part.find(root, "train")
        self._test = _Part.find(root, "t10k")
        train_shape, test_shape = (part.images.sizes[1:] for part in (self._train, self._test))
        if train_shape != test_shape:
            raise DataError(
                f"Training images have {_by(train_shape)} pixels, the test images of "
                f"{self._test.images.path} have {_by(test_shape)}.",
                remedy="Put files of one data set into the folder.",
            )
        self.shape = (1, *train_shape)
        count = int(self._train.labels.max()) + 1
        if self._test.labels.max() >= count:
            raise DataError(
                f"A test label is {self._test.labels.max()}, but training labels end at {count - 1}.",
                remedy="Put files of one data set into the folder.",
            )
        self.classes = tuple(str(number) for number in range(count))
        self.train_size, self.test_size = len(self._train.labels), len(self._test.labels)
        digest = hashlib.sha256()
        for part in (self._train, self._test):
            digest.update(part.labels.tobytes())
            with part.images.path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        self.fingerprint = digest.hexdigest()

    def train(self) -> Images:
        return self._train.read()

    def test(self) -> Images:
        return self._test.read()


@dataclass(frozen=True)
class _IdxFile:
    """An idx file whose length agrees with the sizes in its header."""

    path: Path
    sizes: tuple[int, ...]

    @classmethod
    def check(cls, path: Path, *, rank: int) -> _IdxFile:
        """Read and check the header of an idx file, and leave the values unread.

        Args:
            path: The file.
            rank: The required number of dimensions.

        Raises:
            DataError: The file is not an idx file of bytes with ``rank`` dimensions, or it is empty, too large or
                truncated.
        """
        # Files of the system, such as in /proc, have size 0, and to read them may never end.
        header = _read(path, 4 + 4 * rank) if path.stat().st_size else b""
        if header[:4] != bytes([0, 0, _UINT8, rank]) or len(header) < 4 + 4 * rank:
            _refuse(
                path,
                f"is no idx file of bytes with {rank} dimension{'s' * (rank > 1)}: it starts with "
                f"{header[:4].hex(' ') or 'nothing'}",
            )
        sizes = struct.unpack(f">{rank}I", header[4:])
        promised, present = len(header) + math.prod(sizes), _length(path)
        if not math.prod(sizes):
            _refuse(path, f"holds nothing: its sizes are {_by(sizes)}")
        if promised > _MOST_BYTES:
            _refuse(path, f"claims to hold {_by(sizes)} bytes, which is more than 4 GiB")
        if promised != present:
            _refuse(path, f"should be {promised} bytes long for its sizes {_by(sizes)}, but is {present}")
        return cls(path, sizes)

    def read(self) -> NDArray[np.uint8]:
        """Read the values of the idx file, as an array whose shape ``sizes`` is from the header."""
        header = 4 + 4 * len(self.sizes)
        promised = header + math.prod(self.sizes)
        # Memory for the content and a writable copy. Labels also need a copy in int64.
        require_room(promised * (10 if len(self.sizes) == 1 else 2), self.path, "what it holds")
        # Ask for one byte more, because gzip compares checksums only at the end of the file.
        content = _read(self.path, promised + 1)
        if len(content) != promised:
            _refuse(self.path, f"does not hold the {promised} bytes that it should")
        return np.frombuffer(content, np.uint8, offset=header).reshape(self.sizes).copy()


@dataclass(frozen=True)
class _Part:
    images: _IdxFile
    labels: NDArray[np.int64]

    @classmethod
    def find(cls, root: Path, part: str) -> _Part:
        images = _IdxFile.check(_locate(root, f"{part}-images", "idx3-ubyte"), rank=3)
        labels = _IdxFile.check(_locate(root, f"{part}-labels", "idx1-ubyte"), rank=1)
        if images.sizes[0] != labels.sizes[0]:
            raise DataError(
                f"{labels.path} holds {labels.sizes[0]} labels for the {images.sizes[0]} images of {images.path}.",
                remedy="Put files of one data set into the folder.",
            )
        return cls(images, labels.read().astype(np.int64))

    def read(self) -> Images:
        return Images(self.images.read()[:, None], self.labels)


def _locate(root: Path, stem: str, kind: str) -> Path:
    names = [f"{stem}{mark}{kind}{end}" for end in ("", ".gz") for mark in ("-", ".")]
    for name in names:
        if (root / name).is_file():
            return root / name
    raise DataError(
        f"There is no file {names[0]} (nor {names[2]}) in {root}.",
        remedy="Download the four files of the data set into one folder and name it as `root`.",
    )


def _read(path: Path, most: int) -> bytes:
    """Read the first ``most`` bytes of a file, or all bytes if there are fewer. A gzip file is decompressed."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(most)
    except (OSError, EOFError, zlib.error) as error:
        _refuse(path, f"cannot be read: {error}", cause=error)


def _length(path: Path) -> int:
    """Return the length of the uncompressed content of a file. A gzip file states it in its last four bytes."""
    size = path.stat().st_size
    if path.suffix != ".gz":
        return size
    with path.open("rb") as file:
        file.seek(-4, 2)
        stated: int = struct.unpack("<I", file.read(4))[0]
    return min(stated, _DEFLATE_RATIO * size)


def _refuse(path: Path, what: str, *, cause: Exception | None = None) -> NoReturn:
    raise DataError(f"{path} {what}.", remedy="Download the file again.") from cause


def _by(sizes: tuple[Any, ...]) -> str:
    return "x".join(str(size) for size in sizes)
