"""Image files whose folders are their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emopms.api import Images, Source
from emopms.builtin.data._decoding import Decoder
from emopms.builtin.data._tree import ImageFile, fingerprint_of, natural_key, open_tree
from emopms.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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
        self._decoder = Decoder(self._tree, size, first=self._train[0])
        self.shape = self._decoder.shape
        self.fingerprint = fingerprint_of((*self._train, *self._test))

    def train(self) -> Images:
        return self._labelled(self._train)

    def test(self) -> Images:
        return self._labelled(self._test)

    def _list(self, part: str) -> list[ImageFile]:
        files = self._tree.images(part)
        if not files:
            raise DataError(
                f"There are no images {part}/<class>/*.jpg, *.jpeg or *.png in {self._tree.root}.",
                remedy=f"Set `train` and `test` to its folders. {did_you_mean(part, self._tree.folders())}",
            )
        return files

    def _labelled(self, files: Sequence[ImageFile]) -> Images:
        numbers = {label: number for number, label in enumerate(self.classes)}
        return Images(self._decoder.pixels(files), np.array([numbers[file.label] for file in files], dtype=np.int64))
