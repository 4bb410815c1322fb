"""Numbers of images in the sets of a run. They are known before an image is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emopms.api import Data, Source


def image_counts(data: Data, source: Source) -> dict[str, int]:
    """Return the number of images of each set, in the order in which a run uses the sets."""
    return {
        "training": source.train_size - data.held_out_of(source),
        "calibration": data.calibration,
        "ranking": data.calibration,
        "validation": data.validated_on(source),
        "test": source.test_size,
    }


def describe_counts(counts: Mapping[str, int]) -> str:
    """Return one line, such as ``images: training 352, calibration 1,024, …``."""
    return "images: " + ", ".join(f"{name} {count:,}" for name, count in counts.items())


def few_left(counts: Mapping[str, int], source: Source) -> str:
    """Return a warning if calibration and ranking leave less than half of the training images, else an empty text."""
    taken = counts["calibration"] + counts["ranking"]
    if 2 * taken <= source.train_size:
        return ""
    return (
        f"calibration and ranking take {taken:,} of the {source.train_size:,} training images, and "
        f"{counts['training']:,} are left to train on: lower `data.calibration`, or bring more images"
    )
