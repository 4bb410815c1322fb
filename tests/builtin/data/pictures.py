"""Small images in class folders, packed and unpacked."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from emopms.api import Folder, Source
from emopms.builtin.data.image_folder import ImageFolder

if TYPE_CHECKING:
    from pathlib import Path

Files = dict[str, bytes]


def picture(colour: int, *, size: tuple[int, int] = (6, 4), mode: str = "RGB", kind: str = "PNG") -> bytes:
    """An image file of one colour; ``size`` is height and width."""
    file = io.BytesIO()
    Image.new(mode, size[::-1], (colour, 0, 255) if mode == "RGB" else colour).save(file, kind)
    return file.getvalue()


def layout(**changed: bytes) -> Files:
    files = {
        "train/10/a2.png": picture(1),
        "train/10/a10.PNG": picture(2),
        "train/2/b.png": picture(3, mode="L"),
        "test/10/c.png": picture(4),
        "test/2/d.jpeg": picture(5, kind="JPEG"),
        "test/2/notes.txt": b"not an image",
        "train/readme.png": b"not in a class folder",
    }
    return {**files, **changed}


def write(root: Path, files: Files, *, packed: bool, lead: str = "") -> Path:
    if not packed:
        for name, content in files.items():
            (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "images" / name).write_bytes(content)
        return root / "images"
    with zipfile.ZipFile(root / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(lead + name, content)
    return root / "images.zip"


def opened(root: Path, **parameters: Any) -> Source:
    return ImageFolder(root=root.name, **parameters).open(Folder(root.parent, "the test's folder"))


both = pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])


ARROW = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
"""An image that looks otherwise however it is turned or mirrored."""


def encoded(image: Image.Image, kind: str = "PNG", **parameters: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **parameters)
    return file.getvalue()


def stored_as(orientation: int, kind: str = "PNG") -> bytes:
    """The arrow, stored so that it must be turned by this EXIF orientation to stand upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what makes of the arrow what is to be stored
    image = Image.fromarray(ARROW)
    image = image.transpose(Image.Transpose(undo[orientation])) if orientation in undo else image
    return encoded(image, kind, exif=exif, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
