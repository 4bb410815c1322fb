"""Weights that number the classes in another order are noticed, and others are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emopms.api import Images
from emopms.builtin.data.digits import Digits
from emopms.engine.images.image_sets import ImageSet
from emopms.engine.session.class_order import class_order, compare_orders
from emopms.network.runtime.device import Device

TEXT_ORDER = np.array(sorted(range(12), key=str))


def answers(labels: np.ndarray, accuracy: float, classes: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(labels)) < accuracy, labels, rng.integers(classes, size=len(labels)))


@pytest.mark.parametrize("accuracy", [0.5, 0.9, 1.0])
def test_folders_sorted_as_text_are_noticed(accuracy: float) -> None:
    labels = np.random.default_rng(1).integers(12, size=400)
    found = compare_orders(TEXT_ORDER[answers(labels, accuracy, 12)], labels, 12)
    assert found.is_wrong
    assert found.images == 200
    assert found.order == tuple(np.argsort(TEXT_ORDER).tolist()), "the class of the data of each output"
    assert found.reordered > 0.9 * accuracy > 2 * found.as_given


@pytest.mark.parametrize("classes", [2, 10, 100, 1000])
@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [2, 20, 500])
def test_weights_in_the_order_of_the_data_are_not(classes: int, accuracy: float, count: int) -> None:
    for seed in range(20):
        labels = np.random.default_rng(seed).integers(classes, size=count)
        found = compare_orders(answers(labels, accuracy, classes, seed + 100), labels, classes)
        assert not found.is_doubtful, seed


def test_two_exchanged_classes_are_doubtful_and_not_wrong() -> None:
    labels = np.arange(600) % 6
    found = compare_orders(np.array([1, 0, 2, 3, 4, 5])[labels], labels, 6)
    assert found.is_doubtful
    assert not found.is_wrong


def test_the_answers_are_those_of_the_network() -> None:
    labels = np.arange(600) % 3
    images = ImageSet(Images(labels[:, None, None, None].astype(np.uint8), labels), Digits(), Device("cpu"))
    ((pixels, _),) = images.batches(600)
    levels = torch.tensor(sorted(set(pixels[:, 0, 0, 0].tolist())))

    def network(pixels: torch.Tensor) -> torch.Tensor:
        """Takes class 0 for 1, 1 for 2 and 2 for 0."""
        seen = torch.searchsorted(levels, pixels[:, 0, 0, 0].contiguous())
        return torch.nn.functional.one_hot((seen + 1) % 3, 3).float()

    found = class_order(network, images, 3)
    assert (found.as_given, found.reordered) == (0.0, 1.0)
