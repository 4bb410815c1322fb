"""Reads images from an npz file. An npz file is a zip file with one npy file for each array."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import numpy as np
from loguru import logger
from numpy.lib import format as npy

from emopms.api import Images, Source
from emopms.api.data import MOST_VALUE
from emopms.builtin.data._room import require_room
from emopms.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_REQUIRED: Final = ("x_train", "y_train", "x_test", "y_test")
_MOST_HEADER: Final = 10_000
"""Maximum size, in bytes, of the header of an array in an npz file. Numpy has the same limit."""
_IMAGES: Final = 4
"""Number of dimensions of an array of images with channels."""
_CHANNELS: Final = (1, 3, 4)
"""Numbers of channels of common images: grey, colour, and colour with transparency."""
_SLACK: Final = 0.01
"""Distance by which floating-point pixels may lie outside of 0…1 before a warning is logged. Resizing images by
interpolation exceeds this range a little."""
_SAMPLE: Final = 4 * 2**20
"""Bytes of floating-point pixels whose range is checked when the file is opened."""


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    checksum: int
    offset: int
    """Number of header bytes before the values of the array."""

    @property
    def size(self) -> int:
        """Size, in bytes, of the values of the array."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


class ArraysSource(Source):
    """The images in one npz file. Labels are read when the file is opened, and pixels when they are used.

    Args:
        path: The npz file.
        layout: ``channels_first`` or ``channels_last``. With None, channels come first, and a shape that looks like
            channels last is refused.
        validation: The validation images are the arrays ``x_<validation>`` and ``y_<validation>``; None if there are no
            such arrays.
    """

    def __init__(self, path: Path, *, layout: str | None = None, validation: str | None = None) -> None:
        self._path, self._layout, self._validation = path, layout, validation
        self._warned: set[str] = set()
        self._parts = ("train", "test", *([validation] if validation is not None else []))
        if len(set(self._parts)) < len(self._parts):
            self._refuse(f"the arrays {validation!r} cannot be validation images, too", "Name other arrays.")
        self._arrays = headers = self._headers()
        self.shape = self._image_shape(headers)
        names = self._class_names(headers)
        # Without class names, there are at most as many classes as images: a wrong huge label must not make a huge
        # classifier.
        most = len(names) if names is not None else headers["x_train"].shape[0]
        train_labels = self._read_labels("train", headers, classes=most)
        self.classes = names or tuple(str(number) for number in range(int(train_labels.max()) + 1))
        others = {part: self._read_labels(part, headers, classes=len(self.classes)) for part in self._parts[1:]}
        self._labels = {"train": train_labels, **others}
        self.train_size, self.test_size = len(train_labels), len(self._labels["test"])
        self.validation_size = len(self._labels[validation]) if validation is not None else 0
        for part in self._parts:
            self._check_sample(part)
        facts = "\n".join(f"{name} {header.checksum} {header}" for name, header in sorted(headers.items()))
        self.fingerprint = hashlib.sha256(facts.encode()).hexdigest()

    def train(self) -> Images:
        return self._images("train")

    def validation(self) -> Images:
        assert self._validation is not None
        return self._images(self._validation)

    def test(self) -> Images:
        return self._images("test")

    def _images(self, part: str) -> Images:
        pixels = self._read(f"x_{part}")
        if pixels.dtype != np.uint8:
            self._require_range(part, pixels)
        if self._layout == "channels_last" and pixels.ndim == _IMAGES:
            require_room(pixels.nbytes, self._path, f"a copy of x_{part} with its channels first")
            pixels = pixels.transpose(0, 3, 1, 2)
        return Images(np.ascontiguousarray(pixels.reshape(-1, *self.shape)), self._labels[part])

    def _check_sample(self, part: str) -> None:
        """Refuse wrongly scaled floating-point pixels before the run begins: check the range of the first pixels."""
        header = self._arrays[f"x_{part}"]
        if header.dtype == np.uint8:
            return
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(f"x_{part}.npy") as file:
                content = file.read(header.offset + _SAMPLE)[header.offset :]
        except Exception as error:  # damaged files make zipfile and its decoders raise errors without a base
            self._refuse(f"x_{part} cannot be read: {error}", "Save it again with numpy.savez.", cause=error)
        self._require_range(part, np.frombuffer(content, header.dtype, len(content) // header.dtype.itemsize))

    def _require_range(self, part: str, pixels: NDArray[Any]) -> None:
        """Refuse floating-point pixels that are not finite or lie far outside of 0…1."""
        low, high = float(pixels.min()), float(pixels.max())
        if not (math.isfinite(low) and math.isfinite(high)):  # if one value is NaN, min and max are NaN
            self._refuse(f"x_{part} holds values that are not finite", "Remove those images.")
        if max(-low, high) > MOST_VALUE:
            self._refuse(
                f"x_{part} holds values from {low:g} to {high:g}, and floating-point pixels lie in 0…1",
                "Scale them to 0…1, such as x / 255, or save pixels of 0…255 as uint8.",
            )
        if (low < -_SLACK or high > 1 + _SLACK) and part not in self._warned:
            self._warned.add(part)
            logger.warning(
                "{}: x_{} holds values from {:g} to {:g}, and floating-point pixels should lie in 0…1. The settings "
                "`mean` and `std`, and the model cards of exported models, are for pixels in 0…1.",
                self._path,
                part,
                low,
                high,
            )

    # -- reading headers and labels ---------------------------------------------------------------------

    def _headers(self) -> dict[str, _Header]:
        """Read the headers, but not the values, of all arrays of images and labels that the spec uses."""
        required = dict.fromkeys((*_REQUIRED, *(f"{kind}_{part}" for part in self._parts for kind in "xy")))
        if not self._path.is_file() or not self._path.stat().st_size:  # to read a pipe or device might never end
            self._refuse("is no file", "Name an npz file.")
        try:
            with zipfile.ZipFile(self._path) as archive:
                members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                if len(members) < len(archive.infolist()):
                    raise ValueError("it holds two arrays of one name")
                wanted: list[str] = [name for name in (*required, "classes") if name in members]
                headers = {name: _header(archive, members[name]) for name in wanted}
        except Exception as error:  # damaged files make numpy, zipfile and its decoders raise errors without a base
            self._refuse(f"cannot be read as an npz file: {error}", "Save it again with numpy.savez.", cause=error)
        for name in required:
            if name not in headers:
                self._refuse(
                    f"has no array {name}; it has: {', '.join(sorted(members)) or 'none'}",
                    "Save it with numpy.savez(file, x_train=…, y_train=…, x_test=…, y_test=…).",
                )
        return headers

    def _image_shape(self, headers: dict[str, _Header]) -> tuple[int, ...]:
        for name in (f"x_{part}" for part in self._parts):
            header = headers[name]
            allowed = {3, _IMAGES} if header.dtype == np.uint8 else {_IMAGES} if header.dtype == np.float32 else set()
            if len(header.shape) not in allowed or not math.prod(header.shape):
                self._refuse(
                    f"{name} is {header}",
                    "Save pixels as uint8 [N, H, W] or [N, C, H, W], or as float32 [N, C, H, W], and at least one.",
                )
        train = headers["x_train"]
        for name in (f"x_{part}" for part in self._parts[1:]):
            if (train.dtype, train.shape[1:]) != (headers[name].dtype, headers[name].shape[1:]):
                self._refuse(
                    f"x_train is {train}, but {name} is {headers[name]}", "Save both with the same type and image size."
                )
        if len(train.shape) < _IMAGES:
            return (1, *train.shape[1:])
        first, second, last = train.shape[1:]
        if self._layout == "channels_last":
            return (last, first, second)
        if self._layout is None and last in _CHANNELS and first not in _CHANNELS and first > last:
            self._refuse(
                f"x_train is {train}: as [N, C, H, W], images of {first} channels with {second}x{last} pixels, as "
                f"[N, H, W, C], images of {last} channel{'s' * (last > 1)} with {first}x{second} pixels",
                "If the channels are last, set `layout: channels_last`, or save x.transpose(0, 3, 1, 2); otherwise "
                "set `layout: channels_first`.",
            )
        return train.shape[1:]

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
        except Exception as error:  # damaged files make numpy and zipfile raise errors without a common base
            self._refuse(f"{name} cannot be read: {error}", "Save it again with numpy.savez.", cause=error)
        return values

    def _refuse(self, what: str, remedy: str, *, cause: Exception | None = None) -> NoReturn:
        raise DataError(f"{self._path}: {what}.", remedy=remedy) from cause


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Header:
    """Read the header of one array in an npz file.

    Raises:
        ValueError: The array holds Python objects, its header is wrong, or its size does not match the size of its npy
            file.
    """
    with archive.open(info) as file:
        start = io.BytesIO(file.read(_MOST_HEADER))  # numpy would read as many bytes as the header claims to have
    version = npy.read_magic(start)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(start)
    if dtype.hasobject:
        raise ValueError(f"{info.filename} holds Python objects")
    if min(shape, default=0) < 0 or not dtype.itemsize:
        raise ValueError(f"{info.filename} cannot have the shape {list(shape)} and the type {dtype}")
    header = _Header(shape, dtype, info.CRC, start.tell())
    # This is checked before memory is allocated for the size in the header.
    if start.tell() + header.size != info.file_size:
        raise ValueError(f"{info.filename} is not as long as its shape {list(shape)} asks for")
    return header
