"""Read the images of a set in batches: from memory, or one by one from a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.utils.data import DataLoader

from emopms.api import Images
from emopms.engine.support.seeds import derive
from emopms.errors import EmopmsError
from emopms.process_state import generators_restored, seed_generators

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.api import ImageDataset

    _Batch = tuple[Tensor, Tensor]


class Reader(Protocol):
    """Reads some images by number, as pixels [n, C, H, W] of uint8 or float32 and class numbers [n]."""

    def __len__(self) -> int:
        """Return the number of images."""

    def read(self, batches: Sequence[Tensor], shuffle: torch.Generator | None) -> Iterator[_Batch]:
        """Yield batches.

        Args:
            batches: Numbers of the images of each batch.
            shuffle: The random generator of an epoch of training, whose initial seed is that of the epoch; None if the
                images are not shuffled.
        """


class InMemory:
    """Reads images that are in memory."""

    def __init__(self, images: Images) -> None:
        self._pixels, self._labels = torch.from_numpy(images.pixels), torch.from_numpy(images.labels)

    def __len__(self) -> int:
        return len(self._labels)

    def read(self, batches: Sequence[Tensor], shuffle: torch.Generator | None) -> Iterator[_Batch]:
        for rows in batches:
            yield self._pixels[rows], self._labels[rows]


class OneByOne:
    """Reads the items of a dataset, in this process or in others.

    Before an item is read, the global random generators are seeded for this item and epoch. So the number of processes
    changes nothing.

    Args:
        dataset: The dataset.
        rows: Numbers of the items that belong to the set.
        workers: Number of processes that read items; 0 to read them in this process.
    """

    def __init__(self, dataset: ImageDataset, rows: NDArray[np.intp], workers: int) -> None:
        self._dataset, self._rows, self._workers = dataset, torch.from_numpy(rows), workers

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, batches: Sequence[Tensor], shuffle: torch.Generator | None) -> Iterator[_Batch]:
        epoch = 0 if shuffle is None else shuffle.initial_seed()  # a draw would change the augmentation that follows
        loader: DataLoader[Any] = DataLoader(
            _Seeded(self._dataset, epoch),  # type: ignore[arg-type]
            batch_sampler=[self._rows[rows].tolist() for rows in batches],
            num_workers=self._workers,
            collate_fn=_collated,
            generator=torch.Generator(),  # the loader draws from it, and not from the global generator
        )
        batches_read = iter(loader)
        while True:
            with generators_restored():  # what runs between two batches draws from them, too
                batch = next(batches_read, None)
            if batch is None:
                return
            if isinstance(batch, EmopmsError):
                raise batch
            yield batch


def take(images: Images | ImageDataset, rows: NDArray[np.intp]) -> Images:
    """Return some images in memory.

    Args:
        images: The images.
        rows: Their numbers.
    """
    if isinstance(images, Images):
        return Images(images.pixels[rows], images.labels[rows])
    (batch,) = OneByOne(images, rows, 0).read([torch.arange(len(rows))], None)
    pixels, labels = batch
    return Images(pixels.numpy(), labels.numpy())


class _Seeded:
    """A dataset whose items depend only on their numbers and on the epoch."""

    def __init__(self, dataset: ImageDataset, epoch: int) -> None:
        self._dataset, self._epoch = dataset, epoch

    def __getitem__(self, index: int) -> tuple[Tensor, int] | EmopmsError:
        seed_generators(derive(self._epoch, "item", index))
        try:
            pixels, label = self._dataset[index]
        except EmopmsError as error:  # a worker process cannot raise it with its remedy
            return error
        return torch.as_tensor(pixels), int(label)


def _collated(items: Sequence[tuple[Tensor, int] | EmopmsError]) -> _Batch | EmopmsError:
    found: list[tuple[Tensor, int]] = []
    for item in items:
        if isinstance(item, EmopmsError):
            return item
        found.append(item)
    return torch.stack([pixels for pixels, _ in found]), torch.tensor([label for _, label in found])
