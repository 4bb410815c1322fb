"""Reads the images of handwritten digits that scikit-learn contains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from emopms.api import Images, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEST_PART: Final = 0.2
_SEED: Final = 0
_SIZES: Final = (1438, 359)
"""Numbers of training and test images. They are constants, because to count the images would need the slow import of
scikit-learn."""


class DigitsSource(Source):
    """The images of handwritten digits. Scikit-learn is imported only when pixels are used, because its import is
    slow."""

    def __init__(self) -> None:
        self.shape = (1, 8, 8)
        self.classes = tuple(str(digit) for digit in range(10))
        self.train_size, self.test_size = _SIZES
        # The data never change. The number is the version of our division into training and test images.
        self.fingerprint = "scikit-learn-digits-1"

    def train(self) -> Images:
        return _part(is_test=False)

    def test(self) -> Images:
        return _part(is_test=True)


def _part(*, is_test: bool) -> Images:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    chosen = np.flatnonzero(_test_mask(labels) == is_test)
    scaled = np.rint(pixels[chosen] * (255 / 16)).astype(np.uint8)
    return Images(scaled.reshape(-1, 1, 8, 8), labels[chosen].astype(np.int64))


def _test_mask(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask of the test images: a random fifth of each class, the same on every machine.

    The random numbers are from numpy's RandomState, because all versions of numpy draw the same numbers from it.
    """
    random = np.random.RandomState(_SEED)
    mask = np.zeros(len(labels), dtype=np.bool_)
    for digit in range(10):
        members = random.permutation(np.flatnonzero(labels == digit))
        mask[members[: round(_TEST_PART * len(members))]] = True
    return mask
