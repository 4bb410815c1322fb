"""Numbers of images equal the sizes of the sets, and few training images are warned of."""

from __future__ import annotations

import pytest

from emopms.engine.images.image_counts import describe_counts, few_left, image_counts
from tests.engine.contexts import tiny_context


def test_the_counts_are_the_sizes_of_the_sets() -> None:
    context = tiny_context()
    counts, sets = image_counts(context.spec.data, context.source), context.image_sets
    assert counts == {
        "training": len(sets.train),
        "calibration": len(sets.calibration),
        "ranking": len(sets.ranking),
        "validation": len(sets.validation),
        "test": len(sets.test),
    }


def test_validation_images_of_the_data_leave_the_others_for_training() -> None:
    context = tiny_context()
    context.source.validation_size = 100
    assert image_counts(context.spec.data, context.source)["validation"] == 100
    assert image_counts(context.spec.data, context.source)["training"] == 1438 - 2 * 128


def test_one_line() -> None:
    assert describe_counts({"training": 3520, "test": 8}) == "images: training 3,520, test 8"


@pytest.mark.parametrize(("calibration", "few"), [(359, False), (360, True)])
def test_less_than_half_of_the_images_is_few(calibration: int, few: bool) -> None:
    context = tiny_context(data={"name": "digits", "calibration": calibration, "validation": 128})
    warning = few_left(image_counts(context.spec.data, context.source), context.source)
    assert bool(warning) is few
    assert ("720 of the 1,438 training images" in warning) is few
