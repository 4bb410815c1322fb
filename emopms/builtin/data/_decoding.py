"""Decoding image files into arrays."""

from __future__ import annotations

import io
import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from emopms.builtin.data._room import require_room
from emopms.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emopms.builtin.data._tree import ImageFile, Tree

_FORMATS: Final = ("JPEG", "PNG")
_MOST_PIXELS: Final = 100_000_000
"""Of one image: a file of a few kilobytes can hold any number of blank ones."""
_CHUNK: Final = 64
_SMALL_FILE: Final = 4096
"""Bytes below which an image is decoded so fast that threads would only pass Python's lock around."""


class Decoder:
    """Decodes image files of one tree into RGB pixels of one size.

    Args:
        tree: Where the files are.
        size: Height and width to scale and crop images to; None where all have the size of the first.
        first: The file whose header is read where ``size`` is None.
    """

    def __init__(self, tree: Tree, size: tuple[int, int] | None, *, first: ImageFile) -> None:
        self._tree, self._size, self._first = tree, size, first
        self.shape = (3, *(size or self._open(first).size[::-1]))
        """[C, H, W] of one image."""

    def pixels(self, files: Sequence[ImageFile]) -> NDArray[np.uint8]:
        """The images [N, 3, H, W], in the order of the files.

        Raises:
            DataError: One of them cannot be read or has another size, or they do not fit into memory together.
        """
        require_room(len(files) * math.prod(self.shape), self._tree.root, f"{len(files):,} images")
        pixels = np.empty((len(files), *self.shape), dtype=np.uint8)

        def decode(start: int) -> None:
            for index in range(start, min(start + _CHUNK, len(files))):
                pixels[index] = self._decode(files[index])

        average = sum(file.size for file in files) / len(files)
        workers = 1 if average < _SMALL_FILE else min(8, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(decode, range(0, len(files), _CHUNK)):
                pass  # in order, so that the first bad file is the one reported
        return pixels

    def _decode(self, file: ImageFile) -> NDArray[np.uint8]:
        """One image [3, H, W]."""
        image = self._open(file)
        _, height, width = self.shape
        if self._size is None and image.size != (width, height):
            raise DataError(
                f"{file.path} has {image.height}x{image.width} pixels, but {self._first.path} has {height}x{width}.",
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
            image = Image.open(io.BytesIO(self._tree.read(file.path)), formats=_FORMATS)
        except Exception as error:  # likewise, and zipfile's
            raise self._unreadable(file, error) from error
        if image.width * image.height > _MOST_PIXELS:
            raise DataError(
                f"{file.path} in {self._tree.root} has {image.height:,}x{image.width:,} pixels, more than "
                f"{_MOST_PIXELS:,}.",
                remedy="Remove that file, or make the image smaller.",
            )
        return image

    def _unreadable(self, file: ImageFile, error: Exception) -> DataError:
        detail = "" if isinstance(error, UnidentifiedImageError) else f": {error}".rstrip(".")
        return DataError(
            f"{file.path} in {self._tree.root} cannot be read as a JPEG or PNG image{detail}.",
            remedy="Remove or replace that file.",
        )
