"""The image sets of a run: training, calibration, ranking, validation and test images."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from emopms.api import Images
from emopms.engine.images.readers import InMemory, OneByOne, take
from emopms.engine.support.seeds import numpy_rng
from emopms.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.api import Data, ImageDataset, Part, Source
    from emopms.engine.images.readers import Reader
    from emopms.network.runtime.device import Device


class _Part(NamedTuple):
    """Some images of a source."""

    of: Images | ImageDataset
    rows: NDArray[np.intp]


class ImageSet:
    """Images and labels for one purpose, such as validation. Each batch is normalised and moved to the device.

    Args:
        images: The images in memory, or what reads them.
        settings: The data settings of the spec.
        device: The device.
    """

    def __init__(self, images: Images | Reader, settings: Data, device: Device) -> None:
        self._reader, self._device = InMemory(images) if isinstance(images, Images) else images, device
        self._mean, self._std = (torch.tensor(values).view(1, -1, 1, 1) for values in (settings.mean, settings.std))

    def __len__(self) -> int:
        return len(self._reader)

    def parts(self, size: int) -> int:
        """Return the number of batches of at most ``size`` images, without shuffling."""
        return max(1, -(-len(self) // size))

    def batches(
        self, size: int, *, shuffle: torch.Generator | None = None, augment: Sequence[str] = ()
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches (images [n, C, H, W], labels [n]) on the device.

        Args:
            size: Maximum size of a batch. With ``shuffle``, all batches have this size, and the remaining images are
                dropped. Without ``shuffle``, the sizes of batches differ by at most one image: statistics that are
                estimated on each batch then have nearly equal weight.
            shuffle: Random generator for order and augmentation. With None, images are in stored order and not
                augmented.
            augment: Names of the augmentations of the images, from the field ``augment`` of the spec's data settings.
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
        batches = [order[start:end] for start, end in pairwise(edges)]
        for read, labels in self._reader.read(batches, shuffle):
            pixels = self._normalise(read)
            if shuffle is not None:
                pixels = _augment(pixels, augment, shuffle)
            yield self._device.images(pixels), labels.to(self._device.type)

    def _normalise(self, pixels: Tensor) -> Tensor:
        scaled = pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels
        return (scaled - self._mean).div_(self._std)


class ImageSets:
    """Training, calibration, ranking, validation and test images. No image is in two sets.

    Images are read when a set is first used. Only the last stage may use the test images.

    Args:
        source: The opened data.
        settings: The data settings of the spec.
        device: The device.
        seed: Seed of the spec, for the random division into sets.
        predict: Returns the classes [n] of unlabelled images; None if the images have labels.
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
    def _parts(self) -> tuple[_Part, _Part, _Part, _Part]:
        images, settings = self._images("train"), self._settings
        if len(images) != self._source.train_size:
            raise DataError(
                f"The data {self._settings.name!r} promised {self._source.train_size} training images "
                f"and gave {len(images)}.",
                remedy="Repair that data component: `train_size` must be what `train()` gives.",
            )
        # Data sets are often stored class by class. Batch-norm statistics that are estimated on a batch need images of
        # many classes in the batch. Therefore each part keeps the random order of the permutation.
        order = numpy_rng(self._seed, "splits").permutation(len(images))
        train = len(images) - settings.held_out_of(self._source)
        sizes = np.cumsum([train, settings.calibration, settings.calibration])
        first, second, third, fourth = (_Part(images, rows) for rows in np.split(order, sizes))
        return first, second, third, fourth

    def _images(self, part: Part) -> Images | ImageDataset:
        read = {"train": self._source.train, "validation": self._source.validation, "test": self._source.test}
        dataset = self._source.one_by_one(part)
        return read[part]() if dataset is None else dataset

    def _set(self, part: _Part, *, streamed: bool = False) -> ImageSet:
        """Return some images of the data as an image set. Its labels are from the data, or predicted if the data have
        none.

        Args:
            part: The images.
            streamed: Whether images that are not in memory are read anew whenever they are used.
        """
        if streamed and not isinstance(part.of, Images):
            return ImageSet(OneByOne(part.of, part.rows, self._source.workers), self._settings, self._device)
        images = take(part.of, part.rows)
        found = ImageSet(images, self._settings, self._device)
        if self._predict is None:
            return found
        return ImageSet(Images(images.pixels, self._predict(found)), self._settings, self._device)

    @cached_property
    def train(self) -> ImageSet:
        """Images for training and fine-tuning."""
        return self._set(self._parts[0], streamed=True)

    @cached_property
    def calibration(self) -> ImageSet:
        """Images for the searches of the sub-networks."""
        return self._set(self._parts[1])

    @cached_property
    def ranking(self) -> ImageSet:
        """Images to measure how much pruned sub-networks impair the whole network, and to refine joint schemes."""
        return self._set(self._parts[2])

    @cached_property
    def validation(self) -> ImageSet:
        """Images for choosing schemes and the best epoch: the data's own validation images, or, if the data have none,
        some of the training images."""
        return self._set(self._own_validation() if self._source.validation_size else self._parts[3])

    def _own_validation(self) -> _Part:
        """Return the data's own validation images in random order, at most as many as the spec asks for."""
        images = self._images("validation")
        if len(images) != self._source.validation_size:
            raise DataError(
                f"The data {self._settings.name!r} promised {self._source.validation_size} validation images "
                f"and gave {len(images)}.",
                remedy="Repair that data component: `validation_size` must be what `validation()` gives.",
            )
        order = numpy_rng(self._seed, "validation").permutation(len(images))
        return _Part(images, order[: self._settings.validated_on(self._source)])

    @cached_property
    def test(self) -> ImageSet:
        """Images for the reported final accuracies."""
        images = self._images("test")
        return self._set(_Part(images, np.arange(len(images))), streamed=True)


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
