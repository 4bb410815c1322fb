"""Reading images from an npz file, which is a zip file with one npy file an array."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import numpy as np
from numpy.lib import format as npy

from emopms.api import Images, Source
from emopms.builtin.data._room import require_room
from emopms.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_REQUIRED: Final = ("x_train", "y_train", "x_test", "y_test")
_MOST_HEADER: Final = 10_000
"""Bytes of an array's description, as numpy has it."""


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    checksum: int

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


class ArraysSource(Source):
    """Arrays in one npz file, whose labels are read at once and whose pixels when asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrays = headers = self._headers()
        self.shape = self._image_shape(headers)
        names = self._class_names(headers)
        # Without names, at most as many classes as images: a stray huge label must not make a huge classifier.
        most = len(names) if names is not None else headers["x_train"].shape[0]
        train_labels = self._read_labels("train", headers, classes=most)
        self.classes = names or tuple(str(number) for number in range(int(train_labels.max()) + 1))
        test_labels = self._read_labels("test", headers, classes=len(self.classes))
        self._labels = {"train": train_labels, "test": test_labels}
        self.train_size, self.test_size = len(train_labels), len(test_labels)
        facts = "\n".join(f"{name} {header.checksum} {header}" for name, header in sorted(headers.items()))
        self.fingerprint = hashlib.sha256(facts.encode()).hexdigest()

    def train(self) -> Images:
        return self._images("train")

    def test(self) -> Images:
        return self._images("test")

    def _images(self, part: str) -> Images:
        pixels = self._read(f"x_{part}")
        if pixels.dtype != np.uint8 and not np.isfinite(pixels).all():
            self._refuse(f"x_{part} holds values that are not finite", "Remove those images.")
        return Images(np.ascontiguousarray(pixels.reshape(-1, *self.shape)), self._labels[part])

    # -- looking at the file ----------------------------------------------------------------------------

    def _headers(self) -> dict[str, _Header]:
        """Type and shape of every array we read, without its values."""
        if not self._path.is_file():  # a pipe might never end
            self._refuse("is no file", "Name an npz file.")
        try:
            with zipfile.ZipFile(self._path) as archive:
                members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                if len(members) < len(archive.infolist()):
                    raise ValueError("it holds two arrays of one name")
                wanted: list[str] = [name for name in (*_REQUIRED, "classes") if name in members]
                headers = {name: _header(archive, members[name]) for name in wanted}
        except Exception as error:  # damaged files make numpy, zipfile and its decoders raise errors without a base
            self._refuse(f"cannot be read as an npz file: {error}", "Save it again with numpy.savez.", cause=error)
        for name in _REQUIRED:
            if name not in headers:
                self._refuse(
                    f"has no array {name}; it has: {', '.join(sorted(members)) or 'none'}",
                    "Save it with numpy.savez(file, x_train=…, y_train=…, x_test=…, y_test=…).",
                )
        return headers

    def _image_shape(self, headers: dict[str, _Header]) -> tuple[int, ...]:
        for name in ("x_train", "x_test"):
            header = headers[name]
            allowed = {3, 4} if header.dtype == np.uint8 else {4} if header.dtype == np.float32 else set()
            if len(header.shape) not in allowed or not math.prod(header.shape):
                self._refuse(
                    f"{name} is {header}",
                    "Save pixels as uint8 [N, H, W] or [N, C, H, W], or as float32 [N, C, H, W], and at least one.",
                )
        train, test = headers["x_train"], headers["x_test"]
        if (train.dtype, train.shape[1:]) != (test.dtype, test.shape[1:]):
            self._refuse(f"x_train is {train}, but x_test is {test}", "Save both with the same type and image size.")
        return train.shape[1:] if len(train.shape) == 4 else (1, *train.shape[1:])

    def _class_names(self, headers: dict[str, _Header]) -> tuple[str, ...] | None:
        if "classes" not in headers:
            return None
        if headers["classes"].dtype.kind != "U" or len(headers["classes"].shape) != 1:
            self._refuse(f"classes is {headers['classes']}", "Save class names as an array of strings.")
        names = tuple(str(name) for name in self._read("classes"))
        if len(set(names)) != len(names):
            self._refuse("classes names one class twice", "Give every class a name of its own.")
        return names

    def _read_labels(self, part: str, headers: dict[str, _Header], *, classes: int) -> NDArray[np.int64]:
        name, header, images = f"y_{part}", headers[f"y_{part}"], headers[f"x_{part}"].shape[0]
        if header.dtype.kind not in "iu" or len(header.shape) != 1:
            self._refuse(f"{name} is {header}", "Save labels as whole numbers [N].")
        if header.shape[0] != images:
            self._refuse(
                f"{name} holds {header.shape[0]} labels for the {images} images of x_{part}", "Save one label an image."
            )
        labels = self._read(name)
        if labels.min() < 0 or labels.max() >= classes:
            self._refuse(
                f"{name} holds labels from {labels.min()} to {labels.max()}, but there can be {classes} classes",
                "Number the classes from 0; every class needs a training image, and a name if any class has one.",
            )
        return labels.astype(np.int64)

    def _read(self, name: str) -> NDArray[Any]:
        require_room(self._arrays[name].size, self._path, name)
        try:
            with np.load(self._path, allow_pickle=False) as arrays:
                values: NDArray[Any] = arrays[name]
        except Exception as error:  # likewise
            self._refuse(f"{name} cannot be read: {error}", "Save it again with numpy.savez.", cause=error)
        return values

    def _refuse(self, what: str, remedy: str, *, cause: Exception | None = None) -> NoReturn:
        raise DataError(f"{self._path}: {what}.", remedy=remedy) from cause


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Header:
    """Type and shape of one array.

    Raises:
        ValueError: It is not a plain array whose size is that of its file.
    """
    with archive.open(info) as file:
        start = io.BytesIO(file.read(_MOST_HEADER))  # numpy would first read as much as the header says that it is long
    version = npy.read_magic(start)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(start)
    if dtype.hasobject:
        raise ValueError(f"{info.filename} holds Python objects")
    if min(shape, default=0) < 0 or not dtype.itemsize:
        raise ValueError(f"{info.filename} cannot have the shape {list(shape)} and the type {dtype}")
    header = _Header(shape, dtype, info.CRC)
    # Checked before anything is allocated for what the header promises.
    if start.tell() + header.size != info.file_size:
        raise ValueError(f"{info.filename} is not as long as its shape {list(shape)} asks for")
    return header
