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
_OPAQUE: Final = 255
_ORIENTATION: Final = 0x0112
_ON_ITS_SIDE: Final = 5
"""The first of the orientations that exchange height and width."""
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How an image is turned upright, by the orientation that its EXIF data state."""


class Decoder:
    """Decodes image files of one tree into RGB or grey pixels of one size, upright as their EXIF data say.

    Args:
        tree: Where the files are.
        size: Height and width to scale and crop images to; None where all have the size of the first.
        first: The file whose header is read where ``size`` is None.
        channels: 3 for red, green and blue, 1 for grey.
        background: Name of the colour that transparent images are laid on; without it they are refused.
    """

    def __init__(
        self,
        tree: Tree,
        size: tuple[int, int] | None,
        *,
        first: ImageFile,
        channels: int = 3,
        background: str | None = None,
    ) -> None:
        self._tree, self._size, self._first = tree, size, first
        self._mode, self._background = "L" if channels == 1 else "RGB", background
        self.shape = (channels, *(size or _upright_size(self._open(first))))
        """[C, H, W] of one image."""

    def pixels(self, files: Sequence[ImageFile]) -> NDArray[np.uint8]:
        """The images [N, C, H, W], in the order of the files.

        Raises:
            DataError: One of them cannot be read, has another size or is transparent, or they do not fit into memory
                together.
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
        """One image [C, H, W]."""
        image = self._open(file)
        _, height, width = self.shape
        found = _upright_size(image)
        if self._size is None and found != (height, width):
            raise DataError(
                f"{file.path} has {found[0]}x{found[1]} pixels, but {self._first.path} has {height}x{width}.",
                remedy="Set `size` to scale and crop all images to one size.",
            )
        if image.mode.startswith(("I", "F")):
            raise DataError(f"{file.path} has 16 or more bits a channel.", remedy="Convert it to 8 bits.")
        try:
            turn = _UPRIGHT.get(_orientation(image))
            coloured = self._coloured(image if turn is None else image.transpose(turn), file)
            if self._size is not None:
                coloured = ImageOps.fit(coloured, (width, height), Image.Resampling.BILINEAR)
            return np.asarray(coloured).reshape(height, width, -1).transpose(2, 0, 1)
        except DataError:
            raise
        except Exception as error:  # damaged files make Pillow raise errors that share no base
            raise self._unreadable(file, error) from error

    def _coloured(self, image: Image.Image, file: ImageFile) -> Image.Image:
        """The image in the mode of this data set, laid on the background where something shines through."""
        if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
            layer = image.convert("RGBA")
            if np.asarray(layer)[..., 3].min() < _OPAQUE:
                if self._background is None:
                    raise DataError(
                        f"{file.path} in {self._tree.root} is transparent in places, and the network sees no "
                        "transparency: what lies behind the image would be lost or made up.",
                        remedy="Set `background: white` (or black, or grey) to lay transparent images on that colour.",
                    )
                image = Image.alpha_composite(Image.new("RGBA", layer.size, self._background), layer)
        return image if image.mode == self._mode else image.convert(self._mode)

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


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width of the image as it is shown."""
    return image.size if _orientation(image) >= _ON_ITS_SIDE else image.size[::-1]


def _orientation(image: Image.Image) -> int:
    """The orientation that the EXIF data state, 1 to 8. It is 1 where there are none, or where they are damaged."""
    if "exif" not in image.info:
        return 1
    try:
        stated = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged data make Pillow raise errors that share no base; viewers pass over them
        return 1
    return stated if stated in _UPRIGHT else 1
