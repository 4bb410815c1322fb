"""Notices given weights that number the classes in another order than the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.session.scoring import answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.engine.images.image_sets import ImageSet

_DEVIATIONS = 3
"""Number of standard deviations by which another order must be better than the order of the data."""


@dataclass(frozen=True)
class ClassOrder:
    """How often a network is right with the classes in the order of the data, and in the order that fits it best.

    The best order is found on every second image, and both shares are of the other images. So another order cannot look
    better by chance.
    """

    images: int
    """Number of images that both shares are of."""
    as_given: float
    """Share of correct answers in the order of the data."""
    reordered: float
    """Share of correct answers in the best order."""
    order: tuple[int, ...]
    """The order that fits all images best: the class of the data that each output of the network stands for."""

    @property
    def is_doubtful(self) -> bool:
        """Whether another order is better by more than chance explains."""
        spread = math.sqrt(max(self.reordered * (1 - self.reordered), 1 / self.images) / self.images)
        return self.reordered - self.as_given > max(0.1, _DEVIATIONS * spread)

    @property
    def is_wrong(self) -> bool:
        """Whether another order makes the network right at least twice as often."""
        return self.is_doubtful and self.reordered >= 2 * self.as_given


def class_order(network: Callable[[Tensor], Tensor], images: ImageSet, classes: int) -> ClassOrder:
    """Compare the order of the classes in the data with the order that fits the answers of a network best.

    Args:
        network: Maps images to class scores. A module must be in eval mode.
        images: Labelled images; at least two.
        classes: Number of classes.
    """
    return compare_orders(*answers(network, images), classes)


def compare_orders(answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> ClassOrder:
    """Compare the orders, as `class_order` does, from answers [n] and labels [n].

    Classes are assigned to each other by the Hungarian algorithm (Kuhn 1955), so that most answers are right.
    """
    order, best = _best(answers[::2], labels[::2], classes), _best(answers, labels, classes)
    answers, labels = answers[1::2], labels[1::2]
    shares = float((answers == labels).mean()), float((order[answers] == labels).mean())
    return ClassOrder(len(labels), *shares, tuple(best.tolist()))


def _best(answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (answers, labels), 1)
    order: NDArray[np.int64]
    _, order = linear_sum_assignment(counts + np.eye(classes) / 2, maximize=True)  # in doubt, the order of the data
    return order
