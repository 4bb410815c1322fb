from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from emopms.api import Data, Images, Source
from emopms.testing import DataConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path

CALLS = count()


class Right(Source):
    """Eight training and four test images that are right."""

    def __init__(self) -> None:
        self.shape, self.classes, self.fingerprint = (1, 2, 2), ("cat", "dog"), "1"
        self.train_size, self.test_size = 8, 4

    def train(self) -> Images:
        return Images(np.arange(32, dtype=np.uint8).reshape(8, 1, 2, 2), np.arange(8) % 2)

    def test(self) -> Images:
        return Images(np.arange(100, 116, dtype=np.uint8).reshape(4, 1, 2, 2), np.arange(4) % 2)


def facts(**facts: Any) -> Any:
    """Data whose source says something else."""

    def opened(self: Any, folder: Any) -> Source:
        source = Right()
        vars(source).update({name: value() if callable(value) else value for name, value in facts.items()})
        return source

    return component(Data, open=opened)


def train(spoil: Any) -> Any:
    """Data with other training images: (pixels, labels) → (pixels, labels)."""

    def changed(self: Any) -> Images:
        right = Right().train()
        return Images(*spoil(right.pixels, right.labels))

    source = type("Changed", (Right,), {"train": changed})
    return component(Data, open=lambda self, folder: source())


def leaking(self: Any, folder: Any) -> Source:
    return type("Leaking", (Right,), {"test": lambda self: Right().train(), "test_size": 8})()  # type: ignore[no-any-return]


def items(given: Any) -> Any:
    """Data whose images are read one by one."""
    return facts(one_by_one=lambda: lambda part: given if part == "train" else None)


ITEMS = "items_are_as_described"
FACTS, IMAGES, ORDER = "facts_are_known_without_pixels", "images_are_as_described", "the_order_is_fixed"
NORMAL = "normalisation_fits_the_channels"
BROKEN = [
    Broken(FACTS, facts(shape=(2, 2)), r"shape is \(2, 2\)"),
    Broken(FACTS, facts(shape=(1, 2.0, 2)), r"give \[C, H, W\]"),
    Broken(FACTS, facts(classes=["cat", "dog"]), "give a tuple of names"),
    Broken(FACTS, facts(classes=(0, 1)), "give a tuple of names"),
    Broken(FACTS, facts(classes=("cat", "cat")), "two or more different names"),
    Broken(FACTS, facts(fingerprint=b"1"), "fingerprint is b'1'"),
    Broken(IMAGES, train(lambda p, y: (p[:0], y[:0])), "no train images"),
    Broken(IMAGES, train(lambda p, y: (p / 255, y)), "are float64: give uint8 or float32"),
    Broken(IMAGES, train(lambda p, y: (p.astype(np.float32), y)), "give float32 in 0…1"),
    Broken(IMAGES, train(lambda p, y: (p[:, 0], y)), r"are \[8, 2, 2\] for 8 labels"),
    Broken(IMAGES, train(lambda p, y: (p, y[:7])), "for 7 labels"),
    Broken(IMAGES, train(lambda p, y: (p, y.astype(np.uint8))), "labels are uint8"),
    Broken(IMAGES, train(lambda p, y: (p, y[:, None])), r"labels are int64 \[8, 1\]"),
    Broken(IMAGES, train(lambda p, y: (p, y + 1)), "labels lie in 1…2 for 2 classes"),
    Broken(IMAGES, facts(labelled=False), r"lie in 0…1: without labels, all are -1"),
    Broken("sizes_are_those_of_the_parts", facts(test_size=5), r"are \(8, 5\), but there are \(8, 4\)"),
    Broken(ITEMS, items([(np.zeros((1, 2, 2), np.uint8), 0)] * 7), "train_size is 8, and one_by_one gives 7 items"),
    Broken(ITEMS, items([(np.zeros((1, 2, 2)), 0)] * 8), r"are float64 \[1, 2, 2\]"),
    Broken(ITEMS, items([(np.zeros((2, 2), np.uint8), 0)] * 8), r"are uint8 \[2, 2\]: give .* \[1, 2, 2\]"),
    Broken(ITEMS, items([(np.zeros((1, 2, 2), np.uint8), 2)] * 8), "the label 2 for 2 classes"),
    Broken(NORMAL, facts().model_copy(update={"std": (0.5, 0.5)}), "`std` holds 2 values for 1 channels"),
    Broken(ORDER, facts(fingerprint=lambda: str(next(CALLS))), "Opened twice, the fingerprint"),
    Broken(ORDER, train(lambda p, y: (np.random.permutation(p), y)), "train images differ from one reading"),
    Broken(ORDER, train(lambda p, y: (p, np.roll(y, next(CALLS)))), "train images differ"),
    Broken("test_images_are_held_out", component(Data, open=leaking), "All 8 different test images are training"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(DataConformance, tmp_path)
