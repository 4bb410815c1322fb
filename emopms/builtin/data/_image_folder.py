"""Decoding image files into arrays."""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from emopms.api import Images, Source
from emopms.builtin.data._tree import ImageFile, natural_key, open_tree
from emopms.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_FORMATS: Final = ("JPEG", "PNG")
_CHUNK: Final = 64
_SMALL_FILE: Final = 4096
"""Bytes below which an image is decoded so fast that threads would only pass Python's lock around."""


class ImageFolderSource(Source):
    """Image files listed at once and decoded when asked for.

    Args:
        root: A folder or a zip file.
        train: Folder of class folders inside it.
        test: Likewise.
        size: Height and width to scale and crop images to; None where all have the same size.
    """

    def __init__(self, root: Path, *, train: str, test: str, size: tuple[int, int] | None) -> None:
        self._tree = open_tree(root, (train, test))
        self._size = size
        self._train = self._list(train)
        self._test = self._list(test)
        self.classes = tuple(sorted({file.label for file in self._train}, key=natural_key))
        strange = sorted({file.label for file in self._test} - set(self.classes), key=natural_key)
        if strange:
            raise DataError(
                f"The class {strange[0]!r} in {test!r} of {root} has no training images in {train!r}.",
                remedy=did_you_mean(strange[0], self.classes),
            )
        self.train_size, self.test_size = len(self._train), len(self._test)
        self.shape = (3, *(size or self._open(self._train[0]).size[::-1]))
        facts = "\n".join(repr(tuple(file)) for file in (*self._train, *self._test))
        self.fingerprint = hashlib.sha256(facts.encode()).hexdigest()

    def train(self) -> Images:
        return self._decode_all(self._train)

    def test(self) -> Images:
        return self._decode_all(self._test)

    def _list(self, part: str) -> list[ImageFile]:
        files = self._tree.images(part)
        if not files:
            raise DataError(
                f"There are no images {part}/<class>/*.jpg, *.jpeg or *.png in {self._tree.root}.",
                remedy=f"Set `train` and `test` to its folders. {did_you_mean(part, self._tree.folders())}",
            )
        return files

    def _decode_all(self, files: Sequence[ImageFile]) -> Images:
        pixels = np.empty((len(files), *self.shape), dtype=np.uint8)

        def decode(start: int) -> None:
            for index in range(start, min(start + _CHUNK, len(files))):
                pixels[index] = self._decode(files[index])

        average = sum(file.size for file in files) / len(files)
        workers = 1 if average < _SMALL_FILE else min(8, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(decode, range(0, len(files), _CHUNK)):
                pass  # in order, so that the first bad file is the one reported
        numbers = {label: number for number, label in enumerate(self.classes)}
        return Images(pixels, np.array([numbers[file.label] for file in files], dtype=np.int64))

    def _decode(self, file: ImageFile) -> NDArray[np.uint8]:
        """One image [3, H, W]."""
        image = self._open(file)
        _, height, width = self.shape
        if self._size is None and image.size != (width, height):
            raise DataError(
                f"{file.path} has {image.height}x{image.width} pixels, but {self._train[0].path} has {height}x{width}.",
                remedy="Set `size` to scale and crop all images to one size.",
            )
        if image.mode.startswith(("I", "F")):
            raise DataError(f"{file.path} has 16 or more bits a channel.", remedy="Convert it to 8 bits.")
        try:
            coloured = image if image.mode == "RGB" else image.convert("RGB")
            if self._size is not None:
                coloured = ImageOps.fit(coloured, (width, height), Image.Resampling.BILINEAR)
            return np.asarray(coloured).transpose(2, 0, 1)
        except Exception as error:  # damaged files make Pillow raise errors that share no base
            raise self._unreadable(file, error) from error

    def _open(self, file: ImageFile) -> Image.Image:
        """Read the file and the image's header; pixels are decoded on first use."""
        try:
            return Image.open(io.BytesIO(self._tree.read(file.path)), formats=_FORMATS)
        except Exception as error:  # likewise, and zipfile's
            raise self._unreadable(file, error) from error

    def _unreadable(self, file: ImageFile, error: Exception) -> DataError:
        detail = "" if isinstance(error, UnidentifiedImageError) else f": {error}".rstrip(".")
        return DataError(
            f"{file.path} in {self._tree.root} cannot be read as a JPEG or PNG image{detail}.",
            remedy="Remove or replace that file.",
        )
