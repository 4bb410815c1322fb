"""Batches: equal where statistics are taken, seeded where they are shuffled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emopms.api import Images
from emopms.builtin.data.digits import Digits
from emopms.engine.session.data import ImageSet
from emopms.network.runtime.device import Device


def _set(count: int, size: int = 8) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, size, size), dtype=np.uint8)
    return ImageSet(Images(pixels, np.arange(count)), Digits(mean=(0.5,), std=(0.25,)), Device("cpu"))


@pytest.mark.parametrize(("count", "size", "sizes"), [(10, 4, [3, 3, 4]), (8, 4, [4, 4]), (3, 10, [3]), (1, 1, [1])])
def test_batches_in_order_are_of_equal_size(count: int, size: int, sizes: list[int]) -> None:
    images = _set(count)
    batches = list(images.batches(size))
    assert [len(labels) for _, labels in batches] == sizes
    assert images.parts(size) == len(sizes)
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(count))


def test_pixels_are_scaled_and_normalised() -> None:
    images = ImageSet(
        Images(np.full((1, 1, 2, 2), 255, dtype=np.uint8), np.zeros(1, dtype=np.int64)),
        Digits(mean=(0.5,), std=(0.25,)),
        Device("cpu"),
    )
    ((pixels, _),) = images.batches(1)
    assert torch.equal(pixels, torch.full((1, 1, 2, 2), 2.0))


def test_shuffled_batches_drop_what_is_left_over_and_repeat_with_the_seed() -> None:
    images = _set(10)
    first, second = (
        [labels.tolist() for _, labels in images.batches(4, shuffle=torch.Generator().manual_seed(1))] for _ in range(2)
    )
    assert first == second
    assert [len(batch) for batch in first] == [4, 4]
    assert len(set(first[0] + first[1])) == 8
    assert first != [labels.tolist() for _, labels in images.batches(4, shuffle=torch.Generator().manual_seed(2))]


def test_flipping_mirrors_about_half_of_the_images() -> None:
    images = _set(200)
    plain = torch.cat([pixels for pixels, _ in images.batches(200)])
    ((pixels, labels),) = images.batches(200, shuffle=torch.Generator().manual_seed(0), augment=["flip"])
    original = plain[labels]
    mirrored = (pixels == original.flip(3)).flatten(1).all(dim=1)
    unchanged = (pixels == original).flatten(1).all(dim=1)
    assert (mirrored | unchanged).all()
    assert 60 < int(mirrored.sum()) < 140


def test_cropping_shifts_by_at_most_an_eighth_and_fills_with_zeros() -> None:
    images = _set(50)
    plain = torch.cat([pixels for pixels, _ in images.batches(50)])
    ((pixels, labels),) = images.batches(50, shuffle=torch.Generator().manual_seed(0), augment=["crop"])
    padded = torch.nn.functional.pad(plain[labels], (1, 1, 1, 1))
    shifts = [padded[:, :, top : top + 8, left : left + 8] for top in range(3) for left in range(3)]
    found = torch.stack([(pixels == shift).flatten(1).all(dim=1) for shift in shifts])
    assert (found.sum(dim=0) == 1).all()
    assert (found.sum(dim=1) > 0).sum() >= 7, "all directions are drawn"
