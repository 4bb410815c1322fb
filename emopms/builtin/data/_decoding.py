"""Decodes image files into arrays."""

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
"""Maximum number of pixels of one image. A file of a few kilobytes can hold a huge blank image."""
_CHUNK: Final = 64
_SMALL_FILE: Final = 4096
"""Average size of image files, in bytes, below which a single thread decodes all of them. For such small files, several
threads are not faster."""
_OPAQUE: Final = 255
_ORIENTATION: Final = 0x0112
_ON_ITS_SIDE: Final = 5
"""The smallest EXIF orientation that exchanges height and width. All larger orientations exchange them too."""
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that turns an image upright, by its EXIF orientation."""


class Decoder:
    """Decodes image files into RGB or grey pixels of one size. Images are turned upright by their EXIF orientation.

    Args:
        tree: The tree that contains the files.
        size: Height and width to which images are scaled and cropped; None if all images have the size of ``first``.
        first: The file whose header is read if ``size`` is None.
        channels: 3 for red, green and blue, 1 for grey.
        background: Name of the colour on which transparent images are laid. With None, transparent images are refused.
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
        """Channels, height and width [C, H, W] of every decoded image."""

    def pixels(self, files: Sequence[ImageFile]) -> NDArray[np.uint8]:
        """Decode files, and return the images [N, C, H, W] in the order of the files.

        Raises:
            DataError: An image cannot be read, has another size than the other images, or is transparent although no
                background colour is set. Or the images do not fit into memory together.
        """
        require_room(len(files) * math.prod(self.shape), self._tree.root, f"{len(files):,} images")
        pixels = np.empty((len(files), *self.shape), dtype=np.uint8)

        def decode(start: int) -> None:
            for index in range(start, min(start + _CHUNK, len(files))):
                pixels[index] = self.decode(files[index])

        average = sum(file.size for file in files) / len(files)
        workers = 1 if average < _SMALL_FILE else min(8, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(decode, range(0, len(files), _CHUNK)):
                pass  # wait in order, so that the error names the first bad file
        return pixels

    def decode(self, file: ImageFile) -> NDArray[np.uint8]:
        """Decode one file, and return the image [C, H, W].

        Raises:
            DataError: See `pixels`.
        """
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
        """Convert an image to RGB or grey. A transparent image is laid on the background colour first.

        Raises:
            DataError: The image is transparent, and there is no background colour.
        """
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
        """Read an image file and the header in it. Pillow decodes the pixels when they are first used."""
        try:
            image = Image.open(io.BytesIO(self._tree.read(file.path)), formats=_FORMATS)
        except Exception as error:  # damaged files make Pillow and zipfile raise errors that share no base
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
    """Return the height and width that an image has after it is turned upright by its EXIF orientation."""
    return image.size if _orientation(image) >= _ON_ITS_SIDE else image.size[::-1]


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an image, from 1 to 8; 1 if the EXIF data are missing or damaged."""
    if "exif" not in image.info:
        return 1
    try:
        stated = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged data make Pillow raise errors that share no base; image viewers ignore such data
        return 1
    return stated if stated in _UPRIGHT else 1
