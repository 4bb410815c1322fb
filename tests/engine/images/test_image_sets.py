"""Batches: equal where statistics are taken, seeded where they are shuffled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emopms.api import Images, Source
from emopms.builtin.data.digits import Digits
from emopms.engine.images.image_sets import ImageSet, ImageSets, _augment
from emopms.engine.support.seeds import numpy_rng
from emopms.errors import DataError
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


@pytest.mark.parametrize(
    ("size", "margins"),
    [((1, 64), (0, 8)), ((4, 256), (0, 32)), ((224, 32), (28, 4)), ((7, 7), (0, 0)), ((8, 15), (1, 1))],
)
def test_cropping_shifts_each_axis_by_an_eighth_of_its_own_size(
    size: tuple[int, int], margins: tuple[int, int]
) -> None:
    """The pixels hold their own place, so that the shift can be read from what is left."""
    height, width = size
    place = np.stack(np.meshgrid(np.arange(1, height + 1), np.arange(1, width + 1), indexing="ij")).astype(np.float32)
    count = 300
    images = ImageSet(
        Images(np.repeat(place[None], count, 0) / 1000, np.arange(count)),
        Digits(mean=(0.0,), std=(0.001,)),
        Device("cpu"),
    )
    ((pixels, _),) = images.batches(count, shuffle=torch.Generator().manual_seed(0), augment=["crop"])
    for axis, (margin, line) in enumerate(zip(margins, size, strict=True)):
        seen = pixels[:, axis].round().flatten(1)
        shifts = torch.cat([line - seen.amax(1), seen.masked_fill(seen == 0, line).amin(1) - 1])
        assert int(shifts.max()) == margin
        assert (seen.amax(1) > 0).all(), "something of every image is left"


def test_cropping_square_images_draws_what_it_always_did() -> None:
    """What earlier versions trained is trained again, to the last bit."""
    pixels = torch.arange(2 * 1 * 16 * 16, dtype=torch.float32).view(2, 1, 16, 16) + 1
    found = _augment(pixels, ["flip", "crop"], torch.Generator().manual_seed(3))
    rng = torch.Generator().manual_seed(3)
    flipped = torch.rand(2, generator=rng) < 0.5
    padded = torch.nn.functional.pad(torch.where(flipped.view(-1, 1, 1, 1), pixels.flip(3), pixels), (2,) * 4)
    tops, lefts = (torch.randint(5, (2, 1, 1), generator=rng).flatten().tolist() for _ in range(2))
    for image, whole, top, left in zip(found, padded, tops, lefts, strict=True):
        assert torch.equal(image, whole[:, top : top + 16, left : left + 16])


class _Source(Source):
    """Images whose pixel is their number: training images from 0, validation images from 100, test images from 200."""

    def __init__(self, *, train: int = 40, validation: int = 0, given: int | None = None) -> None:
        self.shape, self.classes, self.fingerprint = (1, 1, 1), ("a", "b"), "numbers"
        self.train_size, self.validation_size, self.test_size = train, validation, 5
        self._given = validation if given is None else given

    def train(self) -> Images:
        return self._numbered(0, self.train_size)

    def validation(self) -> Images:
        return self._numbered(100, self._given)

    def test(self) -> Images:
        return self._numbered(200, self.test_size)

    def _numbered(self, start: int, count: int) -> Images:
        numbers = np.arange(start, start + count)
        return Images(numbers.astype(np.uint8).reshape(-1, 1, 1, 1), numbers)


def _sets(source: Source, *, validation: int = 6, seed: int = 0) -> dict[str, list[int]]:
    settings = Digits(calibration=8, validation=validation)
    sets = ImageSets(source, settings, Device("cpu"), seed=seed)
    parts = {name: getattr(sets, name) for name in ("train", "calibration", "ranking", "validation", "test")}
    return {name: [n for _, labels in part.batches(64) for n in labels.tolist()] for name, part in parts.items()}


def test_validation_images_are_taken_from_the_training_images_where_there_are_no_others() -> None:
    sets = _sets(_Source())
    assert {name: len(numbers) for name, numbers in sets.items()} == {
        "train": 18, "calibration": 8, "ranking": 8, "validation": 6, "test": 5
    }  # fmt: skip
    used = [n for name, numbers in sets.items() if name != "test" for n in numbers]
    assert sorted(used) == list(range(40))


@pytest.mark.parametrize(("own", "asked", "used"), [(20, 6, 6), (4, 6, 4), (6, 6, 6)])
def test_validation_images_of_their_own_leave_the_training_images_alone(own: int, asked: int, used: int) -> None:
    source = _Source(validation=own)
    sets = _sets(source, validation=asked)
    assert len(sets["validation"]) == used == Digits(validation=asked).validated_on(source)
    assert all(100 <= number < 100 + own for number in sets["validation"])
    assert len(set(sets["validation"])) == used
    assert sorted(sets["train"] + sets["calibration"] + sets["ranking"]) == list(range(40))
    assert len(sets["train"]) == 40 - Digits(calibration=8, validation=asked).held_out_of(source)
    assert sets == _sets(source, validation=asked)
    assert sets["calibration"] != sorted(sets["calibration"])
    assert own == 4 or sets["validation"] != _sets(source, validation=asked, seed=1)["validation"]


def test_the_split_of_the_training_images_is_what_it_always_was() -> None:
    order = numpy_rng(0, "splits").permutation(40)
    sets = _sets(_Source())
    assert sets["train"] + sets["calibration"] + sets["ranking"] + sets["validation"] == order.tolist()


def test_a_source_that_gives_other_than_it_promised_is_refused() -> None:
    with pytest.raises(DataError, match="promised 20 validation images and gave 3"):
        _sets(_Source(validation=20, given=3))
