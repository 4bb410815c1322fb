"""The component ``new_data`` of the slot ``data``: generated images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import PositiveInt

from emopms.api import Data, Folder, Images, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NewData(Data):
    """Noisy stripes on grey images of 16x16 pixels. The classes are the directions of the stripes."""

    name: Literal["new_data"] = "new_data"
    images: PositiveInt = 4000
    """Number of images. One in five is a test image."""

    def open(self, folder: Folder) -> Source:
        # For data in a file: `path = folder.find(self.root, what="data file")`, and check it without reading pixels.
        return _Stripes(self.images)


class _Stripes(Source):
    def __init__(self, images: int) -> None:
        self.shape = (1, 16, 16)
        self.classes = ("horizontal", "vertical", "rising", "falling")
        self.test_size = images // 5
        self.train_size = images - self.test_size
        self.fingerprint = f"stripes-1-{images}"  # for data in files: a hash of their content

    def train(self) -> Images:
        return _draw(self.train_size, seed=0)

    def test(self) -> Images:
        return _draw(self.test_size, seed=1)


def _draw(count: int, *, seed: int) -> Images:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    y, x = np.mgrid[:16, :16]
    along: NDArray[Any] = np.stack([y, x, x + y, x - y])[labels]
    waves = np.sin(along * rng.uniform(0.8, 1.6, (count, 1, 1)) + rng.uniform(0, 6.3, (count, 1, 1)))
    noisy = waves + rng.normal(0, 0.7, waves.shape)
    pixels = np.clip(127.5 + 60 * noisy, 0, 255).astype(np.uint8)
    return Images(pixels[:, None], labels.astype(np.int64))
