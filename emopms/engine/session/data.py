"""Which images may be seen by whom, and how they reach the network."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from emopms.api import Images
from emopms.engine.support.seeds import numpy_rng
from emopms.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.api import Data, Source
    from emopms.network.runtime.device import Device


class ImageSet:
    """Images of one purpose with their labels, normalised and moved to the device batch by batch."""

    def __init__(self, images: Images, settings: Data, device: Device) -> None:
        self._pixels = torch.from_numpy(images.pixels)
        self._labels = torch.from_numpy(images.labels)
        self._device = device
        channels = self._pixels.shape[1]
        self._mean = torch.tensor(settings.mean).expand(channels).view(1, channels, 1, 1)
        self._std = torch.tensor(settings.std).expand(channels).view(1, channels, 1, 1)

    def __len__(self) -> int:
        return len(self._labels)

    def parts(self, size: int) -> int:
        """How many batches of at most ``size`` images there are, in order."""
        return max(1, -(-len(self) // size))

    def batches(
        self, size: int, *, shuffle: torch.Generator | None = None, augment: Sequence[str] = ()
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """(images [n, C, H, W], labels [n]) on the device.

        Args:
            size: Largest batch. In order, batches differ by one image at most, so that statistics estimated on
                each batch weigh the same; shuffled, all have this size and what is left over is dropped.
            shuffle: Generator for order and augmentation; without it, the stored order.
            augment: Names from the data's ``augment`` field.
        """
        count = len(self)
        if shuffle is None:
            parts = self.parts(size)
            edges = [part * count // parts for part in range(parts + 1)]
            order = torch.arange(count)
        else:
            size = min(size, count)
            edges = list(range(0, count + 1, size))
            order = torch.randperm(count, generator=shuffle)
        for start, end in pairwise(edges):
            rows = order[start:end]
            pixels = self._normalise(self._pixels[rows])
            if shuffle is not None:
                pixels = _augment(pixels, augment, shuffle)
            yield self._device.images(pixels), self._labels[rows].to(self._device.type)

    def _normalise(self, pixels: Tensor) -> Tensor:
        scaled = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
        return (scaled - self._mean) / self._std


class ImageSets:
    """Training, calibration, ranking, validation and test images: disjoint, and each read only when first asked for.

    The test images are for the last stage alone.

    Args:
        predict: Gives the classes [n] of images that carry no labels; None where they do.
    """

    def __init__(
        self,
        source: Source,
        settings: Data,
        device: Device,
        *,
        seed: int,
        predict: Callable[[ImageSet], NDArray[np.int64]] | None = None,
    ) -> None:
        self._source, self._settings, self._device, self._seed = source, settings, device, seed
        self._predict = predict

    @cached_property
    def _parts(self) -> tuple[Images, Images, Images, Images]:
        images = self._source.train()
        settings = self._settings
        if len(images) != self._source.train_size:
            raise DataError(
                f"The data {self._settings.name!r} promised {self._source.train_size} training images "
                f"and gave {len(images)}.",
                remedy="Repair that data component: `train_size` must be what `train()` gives.",
            )
        # Data sets are often stored class by class. In random order every batch holds a mixture, which the batch-norm
        # statistics estimated on batches depend on: so each part keeps the order of the permutation.
        order = numpy_rng(self._seed, "splits").permutation(len(images))
        train = len(images) - settings.held_out_of(self._source)
        sizes = np.cumsum([train, settings.calibration, settings.calibration])
        first, second, third, fourth = (_take(images, rows) for rows in np.split(order, sizes))
        return first, second, third, fourth

    def _set(self, images: Images) -> ImageSet:
        """The images, with labels of whatever origin."""
        found = ImageSet(images, self._settings, self._device)
        if self._predict is None:
            return found
        return ImageSet(Images(images.pixels, self._predict(found)), self._settings, self._device)

    @cached_property
    def train(self) -> ImageSet:
        """What is trained and fine-tuned on."""
        return self._set(self._parts[0])

    @cached_property
    def calibration(self) -> ImageSet:
        """What the search sees."""
        return self._set(self._parts[1])

    @cached_property
    def ranking(self) -> ImageSet:
        """What the points that a search found are ranked on, and the schemes joined from them refined."""
        return self._set(self._parts[2])

    @cached_property
    def validation(self) -> ImageSet:
        """What choices are made on: images that the data keep for it, or else some of the training images."""
        return self._set(self._own_validation() if self._source.validation_size else self._parts[3])

    def _own_validation(self) -> Images:
        """At most as many of the data's own validation images as the spec asks for, in random order."""
        images = self._source.validation()
        if len(images) != self._source.validation_size:
            raise DataError(
                f"The data {self._settings.name!r} promised {self._source.validation_size} validation images "
                f"and gave {len(images)}.",
                remedy="Repair that data component: `validation_size` must be what `validation()` gives.",
            )
        order = numpy_rng(self._seed, "validation").permutation(len(images))
        return _take(images, order[: self._settings.validated_on(self._source)])

    @cached_property
    def test(self) -> ImageSet:
        """What final accuracies are reported on, once."""
        return self._set(self._source.test())


def _take(images: Images, rows: NDArray[np.intp]) -> Images:
    return Images(images.pixels[rows], images.labels[rows])


def _augment(pixels: Tensor, names: Sequence[str], rng: torch.Generator) -> Tensor:
    count, _, height, width = pixels.shape
    if "flip" in names:
        flipped = torch.rand(count, generator=rng) < 0.5
        pixels = torch.where(flipped.view(-1, 1, 1, 1), pixels.flip(3), pixels)
    if "crop" in names:
        down, across = height // 8, width // 8  # an axis of fewer than 8 pixels is not shifted
        padded = F.pad(pixels, (across, across, down, down))
        top = torch.randint(2 * down + 1, (count, 1, 1), generator=rng) + torch.arange(height).view(1, -1, 1)
        left = torch.randint(2 * across + 1, (count, 1, 1), generator=rng) + torch.arange(width).view(1, 1, -1)
        pixels = padded.permute(0, 2, 3, 1)[torch.arange(count).view(-1, 1, 1), top, left].permute(0, 3, 1, 2)
    return pixels
