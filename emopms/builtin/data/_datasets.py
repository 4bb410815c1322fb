"""Reads images from datasets of torch."""

from __future__ import annotations

import hashlib
import operator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from loguru import logger
from torch.utils.data import IterableDataset, TensorDataset

from emopms.api import Images, Source
from emopms.errors import DataError
from emopms.plugin_file import reason
from emopms.process_state import generators_restored, seed_generators

if TYPE_CHECKING:
    from torch import Tensor

    from emopms.api import ImageDataset, Part
    from emopms.builtin.data.datasets import Given

_MOST_READ: Final = 2**32
"""Maximum bytes of all images together that are read once in order to know their content."""
_SLOW: Final = 2**28
"""Bytes of all images together from which on a log line says that they are read."""


class DatasetsSource(Source):
    """The datasets of a Python program.

    Args:
        given: The datasets.

    Raises:
        DataError: A dataset cannot be used. The message names the dataset, and the item if one is wrong.
    """

    def __init__(self, given: Given) -> None:
        self.workers = given.workers
        self.classes = _class_names(given)
        named = {"train": given.train, "validation": given.validation, "test": given.test}
        for name, dataset in named.items():
            if dataset is not None:
                _require_map_style(dataset, name)
        first, _ = _Checked(given.train, "train", None, len(self.classes))[0]
        self.shape = tuple(first.shape)
        self._parts: dict[str, _Checked] = {
            name: _Checked(dataset, name, first, len(self.classes))
            for name, dataset in named.items()
            if dataset is not None
        }
        self.train_size, self.test_size = len(self._parts["train"]), len(self._parts["test"])
        self.validation_size = len(self._parts["validation"]) if "validation" in self._parts else 0
        self.fingerprint = given.identity or _content(self._parts, first)

    def train(self) -> Images:
        return self._parts["train"].whole()

    def validation(self) -> Images:
        return self._parts["validation"].whole()

    def test(self) -> Images:
        return self._parts["test"].whole()

    def one_by_one(self, part: Part) -> ImageDataset | None:
        """Return a dataset, except for a ``TensorDataset``, whose images are in memory already."""
        return None if self._parts[part].is_in_memory else self._parts[part]


class _Checked:
    """A dataset whose items are checked, and have one form: pixels as a tensor on the CPU, and an int.

    Args:
        dataset: The dataset of the user.
        name: Its name in messages.
        first: The pixels of the first training image, whose shape and type all images must have; None for any.
        classes: Number of classes.
    """

    def __init__(self, dataset: ImageDataset, name: str, first: Tensor | None, classes: int) -> None:
        self._dataset, self._name, self._first, self._classes = dataset, name, first, classes

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        where = f"Item {index} of the dataset `{self._name}`"
        try:
            item = self._dataset[index]
        except Exception as error:  # the code of a dataset may raise anything
            raise DataError(
                f"{where} cannot be read: {reason(error)}", remedy="Repair the dataset, or leave that item out."
            ) from error
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(
                f"{where} is no pair of an image and its class, but {_described(item)}.",
                remedy="Let `__getitem__` return (image, class number).",
            )
        return self._pixels(item[0], where), self._label(item[1], where)

    @property
    def is_in_memory(self) -> bool:
        """Whether the images are in memory, and each is the same in every epoch."""
        return type(self._dataset) is TensorDataset

    def whole(self) -> Images:
        """Read all items into memory."""
        items = [self[index] for index in range(len(self))]
        pixels = torch.stack([image for image, _ in items])
        return Images(pixels.numpy(), np.array([label for _, label in items], dtype=np.int64))

    def _pixels(self, image: object, where: str) -> Tensor:
        if isinstance(image, np.ndarray):
            image = torch.from_numpy(image)
        if not isinstance(image, torch.Tensor) or image.dtype not in (torch.uint8, torch.float32):
            raise DataError(
                f"{where} has the image {_described(image)}.",
                remedy="Give a tensor [C, H, W] of float32, or of uint8 in 0…255, as torchvision's ToTensor does.",
            )
        image = image.detach().cpu()
        if image.ndim != 3 or (self._first is not None and image.shape != self._first.shape):
            expected = "[C, H, W]" if self._first is None else f"{list(self._first.shape)}, as the first training image"
            raise DataError(
                f"{where} has an image of shape {list(image.shape)}, not {expected}.",
                remedy="Bring all images to one size, for example in the transform of the dataset.",
            )
        if self._first is not None and image.dtype != self._first.dtype:
            raise DataError(
                f"{where} has an image of {_type(image)}, and the first training image is of {_type(self._first)}.",
                remedy="Give all images the same type.",
            )
        if image.is_floating_point() and not image.isfinite().all():
            raise DataError(f"{where} has an image with NaN or infinite values.", remedy="Repair that image.")
        return image

    def _label(self, label: object, where: str) -> int:
        try:
            plain: Any = label.item() if isinstance(label, torch.Tensor | np.generic) else label
            number = operator.index(plain)
        except (TypeError, ValueError, RuntimeError):
            raise DataError(
                f"{where} has the class {_described(label)}.", remedy="Give the number of its class, from 0."
            ) from None
        if not 0 <= number < self._classes:
            raise DataError(
                f"{where} has class {number}, and the network tells {self._classes} classes apart, from 0 to "
                f"{self._classes - 1}.",
                remedy="Number the classes as the outputs of the network are numbered.",
            )
        return number


def _require_map_style(dataset: object, name: str) -> None:
    if isinstance(dataset, IterableDataset) or not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise DataError(
            f"`{name}` is {_described(dataset)}, whose items have no numbers.",
            remedy="Give a map-style torch.utils.data.Dataset, with `__len__` and `__getitem__`.",
        )
    if not len(dataset):
        raise DataError(f"The dataset `{name}` is empty.", remedy="Give it items.")


def _class_names(given: Given) -> tuple[str, ...]:
    """Return the names of the classes: the attribute ``classes`` of the training dataset, or numbers without it.

    Raises:
        DataError: The datasets name other classes, or the network has another number of classes.
    """
    names = _named(given.train)
    for part, dataset in (("validation", given.validation), ("test", given.test)):
        if names and (others := _named(dataset)) and others != names:
            raise DataError(
                f"`{part}.classes` and `train.classes` differ: {', '.join(others[:5])} … and {', '.join(names[:5])} …",
                remedy="Number the classes of all datasets in the same way.",
            )
    if names and len(names) != given.classes:
        raise DataError(
            f"`train.classes` has {len(names)} names, and the network tells {given.classes} classes apart.",
            remedy="Give the dataset a name for each output of the network, or no attribute `classes`.",
        )
    return names or tuple(str(number) for number in range(given.classes))


def _named(dataset: ImageDataset | None) -> tuple[str, ...]:
    names: Any = getattr(dataset, "classes", None)
    usable = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return tuple(names) if usable and len(set(names)) == len(names) else ()


def _content(parts: dict[str, _Checked], first: Tensor) -> str:
    """Read all items once, and return a hash of their content.

    Raises:
        DataError: They are too large for this, or they differ from one reading to the next.
    """
    size = first.nbytes * sum(map(len, parts.values()))
    remedy = 'Say by which text their content is known: prune(…, data_id="photos of May 2024").'
    if size > _MOST_READ:
        raise DataError(
            f"The images of the datasets have {size / 2**30:,.0f} GiB, and are not all read.", remedy=remedy
        )
    if size > _SLOW:
        logger.info("reading all images of the datasets once ({:,.1f} GiB), to know their content", size / 2**30)
    digest = hashlib.sha256()
    with generators_restored():
        for name, part in parts.items():
            if _digest(part, 0) != _digest(part, 0):
                raise DataError(
                    f"Item 0 of the dataset `{name}` differs from one reading to the next, although the random "
                    "generators of torch, numpy and Python are seeded alike.",
                    remedy=f"Let it draw from these. Or: {remedy[0].lower()}{remedy[1:]}",
                )
            digest.update(f"{name} {len(part)}".encode())
            for index in range(len(part)):
                digest.update(_digest(part, index))
    return digest.hexdigest()


def _digest(part: _Checked, index: int) -> bytes:
    seed_generators(index)
    pixels, label = part[index]
    return hashlib.sha256(pixels.contiguous().numpy().tobytes() + str(label).encode()).digest()


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor | np.ndarray):
        return f"a {type(value).__name__} of {str(value.dtype).removeprefix('torch.')}, shape {list(value.shape)}"
    text = repr(value)
    return f"a {type(value).__name__}" if len(text) > 60 else f"{text} ({type(value).__name__})"
