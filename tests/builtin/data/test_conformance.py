from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from emopms.builtin.data.arrays import Arrays
from emopms.builtin.data.digits import Digits
from emopms.builtin.data.idx import Idx
from emopms.builtin.data.image_folder import ImageFolder
from emopms.builtin.data.photos import Photos
from emopms.testing import DataConformance
from tests.builtin.data import test_arrays, test_idx

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.api import Folder


class TestDigits(DataConformance):
    component = Digits()


class TestArrays(DataConformance):
    component = Arrays(file="images.npz")

    def folder(self, tmp_path: Path) -> Folder:
        np.savez(tmp_path / "images.npz", **test_arrays.arrays())
        return super().folder(tmp_path)


class TestIdx(DataConformance):
    component = Idx(root=".")

    def folder(self, tmp_path: Path) -> Folder:
        test_idx.write(tmp_path)
        return super().folder(tmp_path)


class TestImageFolder(DataConformance):
    component = ImageFolder(root="images", size=(6, 4))

    def folder(self, tmp_path: Path) -> Folder:
        _pictures(tmp_path / "images", "train/cat/1", "train/cat/2", "train/dog/1", "test/cat/1", "test/dog/1")
        return super().folder(tmp_path)


class TestPhotos(DataConformance):
    component = Photos(root="images", size=(6, 4), classes=3, test=0.4)

    def folder(self, tmp_path: Path) -> Folder:
        _pictures(tmp_path / "images", "1", "2", "holiday/1", "holiday/beach/1", "work/1")
        return super().folder(tmp_path)


def _pictures(folder: Path, *names: str) -> None:
    for colour, name in enumerate(names):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (7, 7), (40 * colour, 0, 255)).save(path)
