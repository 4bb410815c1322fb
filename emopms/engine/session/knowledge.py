"""Whether a network knows anything: its recall of each class, and a check against guessing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from emopms.engine.session.scoring import BATCH
from emopms.errors import RunError
from emopms.network.runtime.device import fp32
from emopms.network.runtime.free_memory import split_on_oom

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.engine.session.data import ImageSet

_DEVIATIONS = 3
"""Standard deviations above chance from which a network counts as knowing something."""


@dataclass(frozen=True)
class ClassCounts:
    """Images and right answers of each class."""

    images: NDArray[np.int64]
    """[classes]."""
    right: NDArray[np.int64]
    """[classes]."""

    @property
    def recall(self) -> list[float | None]:
        """Share of right answers among the images of each class; None for a class without images."""
        pairs = zip(self.right.tolist(), self.images.tolist(), strict=True)
        return [right / images if images else None for right, images in pairs]

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have images: a class counts the same, however many images it has."""
        return float(np.mean([recall for recall in self.recall if recall is not None]))

    @property
    def accuracy(self) -> float:
        """Share of right answers among all images."""
        return float(self.right.sum() / self.images.sum())


@torch.inference_mode()
def count_by_class(network: Callable[[Tensor], Tensor], images: ImageSet, classes: int) -> ClassCounts:
    """Count right answers by class, in fp32.

    Args:
        network: The network as it is, in evaluation mode.
        images: Labelled images.
        classes: Number of classes.
    """
    total, right = torch.zeros(classes, dtype=torch.int64), torch.zeros(classes, dtype=torch.int64)
    with fp32():
        for pixels, labels in images.batches(BATCH):
            answers = split_on_oom(network, pixels).argmax(dim=1)
            total += torch.bincount(labels.cpu(), minlength=classes)
            right += torch.bincount(labels[answers == labels].cpu(), minlength=classes)
    return ClassCounts(total.numpy(), right.numpy())


def require_knowledge(counts: ClassCounts, *, what: str, remedy: str) -> None:
    """Refuse a network that is no better than guessing, as far as the number of images allows to tell.

    Guessing is right for one class in so many, in the mean over classes, whatever their sizes are; who always answers
    the largest class is right for the share that it has. A network must be better than the first or the second.

    Args:
        counts: Its answers on validation images.
        what: Name of the network, which begins the error message.
        remedy: The remedy that the error message gives.

    Raises:
        RunError: It is less than three standard deviations above both.
    """
    present = counts.images[counts.images > 0]
    chance, majority = 1 / len(counts.images), float(present.max() / present.sum())
    deviation = math.sqrt(chance * (1 - chance) * float((1 / present).sum())) / len(present)
    by_class = counts.balanced_accuracy >= _limit(chance, deviation)
    in_all = counts.accuracy >= _limit(majority, math.sqrt(majority * (1 - majority) / present.sum()))
    if not (by_class or in_all):
        raise RunError(
            f"{what} is no better than guessing: {counts.accuracy:.1%} of {present.sum()} validation images right, "
            f"{counts.balanced_accuracy:.1%} in the mean over {len(counts.images)} classes; always to answer the "
            f"largest class is right for {majority:.1%}.",
            remedy=remedy,
        )


def _limit(chance: float, deviation: float) -> float:
    """Return the accuracy from which on one can tell; it stays below 1 however few images there are."""
    return min(chance + _DEVIATIONS * deviation, (1 + chance) / 2)
