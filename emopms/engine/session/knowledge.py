"""The recall of each class, and a check that a network is better than guessing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.session.scoring import answers
from emopms.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.engine.images.image_sets import ImageSet

_DEVIATIONS = 3
"""Number of standard deviations by which a network's accuracy must exceed the accuracy of guessing."""


@dataclass(frozen=True)
class ClassCounts:
    """Numbers of images and of correct answers of each class."""

    images: NDArray[np.int64]
    """Number of images of each class [classes]."""
    right: NDArray[np.int64]
    """Number of correctly classified images of each class [classes]."""

    @property
    def recall(self) -> list[float | None]:
        """Share of correct answers among the images of each class; None for a class without images."""
        pairs = zip(self.right.tolist(), self.images.tolist(), strict=True)
        return [right / images if images else None for right, images in pairs]

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have images. Each class has the same weight."""
        return float(np.mean([recall for recall in self.recall if recall is not None]))

    @property
    def accuracy(self) -> float:
        """Share of correct answers among all images."""
        return float(self.right.sum() / self.images.sum())


def count_by_class(network: Callable[[Tensor], Tensor], images: ImageSet, classes: int) -> ClassCounts:
    """Count the correct answers of each class, computed in fp32.

    Args:
        network: Maps images to class scores. A module must be in eval mode.
        images: Labelled images.
        classes: Number of classes.
    """
    given, labels = answers(network, images)
    return ClassCounts(np.bincount(labels, minlength=classes), np.bincount(labels[given == labels], minlength=classes))


def require_knowledge(counts: ClassCounts, *, what: str, remedy: str) -> None:
    """Refuse a network that is not significantly better than guessing.

    There are two ways to guess. A random class for each image has balanced accuracy 1 / classes. Always the largest
    class has an accuracy equal to the share of this class among the images. The network must exceed the balanced
    accuracy of the first guess, or the accuracy of the second guess.

    Args:
        counts: The answers of the network on validation images.
        what: Name of the network, which begins the error message.
        remedy: The remedy that the error message gives.

    Raises:
        RunError: Neither accuracy of the network is three standard deviations above the accuracy of its guess.
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
    """Return the accuracy above which a network counts as better than guessing. It is below 1 even for very few
    images."""
    return min(chance + _DEVIATIONS * deviation, (1 + chance) / 2)
