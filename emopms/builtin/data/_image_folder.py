"""Image files in class folders: the name of a file's folder is its class."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Final

import numpy as np
from loguru import logger

from emopms.api import Images, Source
from emopms.builtin.data._decoding import Decoder
from emopms.builtin.data._tree import ImageFile, natural_key, open_tree
from emopms.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from emopms.api import ImageDataset, Part

_VALIDATION_NAMES: Final = ("val", "valid", "validation", "dev")
"""Names that data sets commonly give to the folder of validation images."""
_MOST_LISTED: Final = 200
"""Maximum number of classes whose order a message lists."""
_MOST_SHARE: Final = 0.5
"""Share of the free memory that the decoded images of a part may take. A larger part is decoded anew in each epoch."""
_MOST_WORKERS: Final = 8
"""Maximum number of processes that decode images."""


class ImageFolderSource(Source):
    """Image files in class folders. Files are listed when the data are opened, and decoded when they are used.

    Args:
        root: A folder or a zip file.
        train: The folder inside ``root`` that contains the class folders of training images.
        test: The folder inside ``root`` that contains the class folders of test images.
        validation: The folder inside ``root`` that contains the class folders of validation images. With None,
            validation images are taken from the training images.
        size: Height and width to which images are scaled and cropped; None if all images have the same size.
        order: The order in which class folders are numbered: ``natural`` (2 before 10), ``text`` (10 before 2), or a
            list of their names.
        channels: 3 for red, green and blue, 1 for grey.
        background: Name of the colour on which transparent images are laid. With None, transparent images are refused.
    """

    def __init__(
        self,
        root: Path,
        *,
        train: str,
        test: str,
        size: tuple[int, int] | None,
        validation: str | None = None,
        order: str | tuple[str, ...] = "natural",
        channels: int = 3,
        background: str | None = None,
    ) -> None:
        parts = [part for part in (train, test, validation) if part is not None]
        self._tree = open_tree(root, parts)
        self._train = self._list(train)
        self._test = self._list(test)
        self._validation = self._list(validation) if validation is not None else []
        self.classes = self._numbered({file.label for file in self._train}, order, train)
        self._numbers = {label: number for number, label in enumerate(self.classes)}
        self._require_known_classes(test, self._test, train)
        self._require_known_classes(validation, self._validation, train)
        self.workers = min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
        self.train_size, self.test_size = len(self._train), len(self._test)
        self.validation_size = len(self._validation)
        self._decoder = Decoder(self._tree, size, first=self._train[0], channels=channels, background=background)
        self.shape = self._decoder.shape
        self.fingerprint = self._tree.fingerprint((*self._train, *self._test, *self._validation))
        other = "text" if order == "natural" else "natural"
        if isinstance(order, str) and _sorted(set(self.classes), other) != self.classes:
            self.doubt = (
                f"The class folders are numbered in {order} order ({', '.join(self.classes[:3])}, …). If the weights "
                f"were trained on the other order, set `order: {other}` under `data:`; torchvision's ImageFolder has "
                "the order of text (1, 10, 2)."
            )
        unused = [name for name in self._tree.folders() if name.lower() in _VALIDATION_NAMES and name not in parts]
        if unused:
            logger.info(
                "{}: the folder {!r} is not read; set `validation_folder: {}` to use its images as validation images",
                root,
                unused[0],
                unused[0],
            )

    def reordered(self, classes: Sequence[str]) -> str:
        for order in ("natural", "text"):
            if tuple(classes) == _sorted(set(classes), order):
                return f"Set `order: {order}` under `data:`: then the classes are {', '.join(classes[:5])}, …"
        if len(classes) > _MOST_LISTED:
            return (
                "Set `order` under `data:` to the list of class folders in the order in which the weights number them: "
                f"it seems to begin with {', '.join(classes[:5])}."
            )
        order = json.dumps(list(classes), ensure_ascii=False)
        return f"Set `order: {order}` under `data:` if that is how the weights number the classes."

    def train(self) -> Images:
        return self._labelled(self._train)

    def validation(self) -> Images:
        return self._labelled(self._validation)

    def test(self) -> Images:
        return self._labelled(self._test)

    def one_by_one(self, part: Part) -> ImageDataset | None:
        """Return the files of a part as a dataset if their pixels would take more than half of the free memory."""
        from emopms.network import available_memory

        files = {"train": self._train, "validation": self._validation, "test": self._test}[part]
        if len(files) * math.prod(self.shape) <= available_memory() * _MOST_SHARE:
            return None
        return _Files(self._decoder, files, [self._numbers[file.label] for file in files])

    def _list(self, part: str) -> list[ImageFile]:
        files = self._tree.images(part)
        if not files:
            known = did_you_mean(part, self._tree.folders())
            raise DataError(
                f"There are no images {part}/<class>/*.jpg, *.jpeg or *.png in {self._tree.root}.",
                remedy=f"Set `train`, `test` and `validation_folder` to its folders. {known}",
            )
        return files

    def _numbered(self, labels: set[str], order: str | tuple[str, ...], part: str) -> tuple[str, ...]:
        """Return the class names in the order in which the classes are numbered.

        Raises:
            DataError: The order is a list, and it does not hold each class folder once.
        """
        if isinstance(order, str):
            return _sorted(labels, order)
        unknown, missing = [name for name in order if name not in labels], sorted(labels - set(order), key=natural_key)
        where = f"`order` under `data:` does not fit the class folders in {part!r} of {self._tree.root}:"
        if unknown:
            raise DataError(f"{where} there is no {unknown[0]!r}.", remedy=did_you_mean(unknown[0], labels))
        if missing or len(order) > len(labels):
            what = f"{missing[0]!r} is missing" if missing else "a class is listed twice"
            raise DataError(f"{where} {what}.", remedy="List each class folder once.")
        return order

    def _require_known_classes(self, part: str | None, files: Sequence[ImageFile], train: str) -> None:
        """Refuse test or validation images of a class that has no training images."""
        strange = sorted({file.label for file in files} - set(self.classes), key=natural_key)
        if strange:
            raise DataError(
                f"The class {strange[0]!r} in {part!r} of {self._tree.root} has no training images in {train!r}.",
                remedy=did_you_mean(strange[0], self.classes),
            )

    def _labelled(self, files: Sequence[ImageFile]) -> Images:
        numbers = [self._numbers[file.label] for file in files]
        return Images(self._decoder.pixels(files), np.array(numbers, dtype=np.int64))


class _Files:
    """Image files that are decoded one by one.

    Args:
        decoder: Decodes the files.
        files: The files.
        numbers: The class number of each file.
    """

    def __init__(self, decoder: Decoder, files: Sequence[ImageFile], numbers: Sequence[int]) -> None:
        self._decoder, self._files, self._numbers = decoder, files, numbers

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int]:
        return self._decoder.decode(self._files[index]), self._numbers[index]


def _sorted(labels: set[str], order: str) -> tuple[str, ...]:
    """Sort class names in the order ``natural`` or ``text``."""
    return tuple(sorted(labels) if order == "text" else sorted(labels, key=natural_key))
