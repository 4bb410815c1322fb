"""Whether a network knows anything."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emopms.api import Images
from emopms.builtin.data.digits import Digits
from emopms.engine.images.image_sets import ImageSet
from emopms.engine.session.knowledge import ClassCounts, count_by_class, require_knowledge
from emopms.errors import RunError
from emopms.network.runtime.device import Device


def counts(images: list[int], right: list[int]) -> ClassCounts:
    return ClassCounts(np.array(images), np.array(right))


def require(found: ClassCounts) -> None:
    require_knowledge(found, what="The network", remedy="Train it.")


def test_answers_are_counted_by_class() -> None:
    labels = np.r_[np.zeros(400, int), np.ones(300, int)]
    images = ImageSet(Images(labels[:, None, None, None].astype(np.uint8), labels), Digits(), Device("cpu"))

    def network(pixels: torch.Tensor) -> torch.Tensor:
        """Right for all images of class 1, and for none of class 0."""
        return torch.tensor([[0.0, 1.0, 0.0]]).repeat(len(pixels), 1)

    found = count_by_class(network, images, classes=3)
    assert found.images.tolist() == [400, 300, 0]
    assert found.right.tolist() == [0, 300, 0]
    assert found.recall == [0.0, 1.0, None]
    assert found.balanced_accuracy == 0.5
    assert found.accuracy == 300 / 700


@pytest.mark.parametrize(
    ("images", "right"),
    [
        ([970, 30], [970, 0]),  # always the same class
        ([970, 30], [965, 1]),
        ([100, 100, 100], [33, 34, 33]),
        ([100, 100, 100], [40, 38, 38]),
        ([2, 2], [1, 1]),
        ([50, 50], [0, 0]),
    ],
)
def test_guessing_is_refused(images: list[int], right: list[int]) -> None:
    with pytest.raises(RunError, match=r"The network is no better than guessing: .* largest class is right for") as e:
        require(counts(images, right))
    assert e.value.remedy == "Train it."


@pytest.mark.parametrize(
    ("images", "right"),
    [
        ([970, 30], [960, 25]),
        ([970, 30], [500, 28]),  # worse than always the same class, and yet it knows the rare one
        ([100, 100, 100], [60, 55, 50]),
        ([900, 50, 50, 0], [880, 45, 40, 0]),
        ([2, 2], [2, 2]),
    ],
)
def test_knowledge_passes(images: list[int], right: list[int]) -> None:
    require(counts(images, right))
