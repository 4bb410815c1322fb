"""Image files without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from emopms.api import Images, Source
from emopms.builtin.data._decoding import Decoder
from emopms.builtin.data._tree import ImageFile, open_tree
from emopms.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SEED: Final = 0


class PhotosSource(Source):
    """Image files without labels. Files are listed when the data are opened, and decoded when they are used.

    Args:
        root: A folder or a zip file.
        size: Height and width to which images are scaled and cropped.
        classes: Number of class scores of the network.
        test: Share of the images that are test images.
        channels: 3 for red, green and blue, 1 for grey.
        background: Name of the colour on which transparent images are laid. With None, transparent images are refused.
    """

    labelled = False

    def __init__(
        self,
        root: Path,
        *,
        size: tuple[int, int],
        classes: int,
        test: float,
        channels: int = 3,
        background: str | None = None,
    ) -> None:
        tree = open_tree(root)
        files = tree.everything()
        held_out = round(test * len(files))
        if not 0 < held_out < len(files):
            raise DataError(
                f"{root} holds {len(files)} images (*.jpg, *.jpeg or *.png), {held_out} of them for the test: "
                "there must be some to prune with, and some to test on.",
                remedy="Name a folder or zip file with more images, or change `test`.",
            )
        order = np.random.RandomState(_SEED).permutation(len(files))  # the numbers of RandomState never change
        self._test = [files[index] for index in sorted(order[:held_out])]
        self._train = [files[index] for index in sorted(order[held_out:])]
        self.train_size, self.test_size = len(self._train), len(self._test)
        self.classes = tuple(str(number) for number in range(classes))
        self._decoder = Decoder(tree, size, first=files[0], channels=channels, background=background)
        self.shape = self._decoder.shape
        self.fingerprint = tree.fingerprint((*self._train, *self._test))

    def train(self) -> Images:
        return self._unlabelled(self._train)

    def test(self) -> Images:
        return self._unlabelled(self._test)

    def _unlabelled(self, files: Sequence[ImageFile]) -> Images:
        return Images(self._decoder.pixels(files), np.full(len(files), -1, dtype=np.int64))
