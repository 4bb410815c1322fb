"""The data set ``digits``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat

from emopms.api import Data
from emopms.errors import DataError

if TYPE_CHECKING:
    from emopms.api import Folder, Source


class Digits(Data):
    """The 1,797 handwritten digits of 8x8 grey pixels in scikit-learn. A fifth of each class, always the same images,
    are test images."""

    name: Literal["digits"] = "digits"
    calibration: Annotated[int, Field(ge=2)] = 256
    """Number of images on which the search evaluates candidates (pruned sub-networks)."""
    validation: Annotated[int, Field(ge=2)] = 256
    """Number of images on which schemes for the whole network are measured and chosen."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.305,)
    """Mean of each channel, for pixels in 0…1. A single value is used for all channels."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.376,)
    """Standard deviation of each channel, for pixels in 0…1. A single value is used for all channels."""

    def open(self, folder: Folder) -> Source:
        """Open the data set. It needs no files except the package scikit-learn.

        Raises:
            DataError: scikit-learn is not installed.
        """
        if find_spec("sklearn") is None:
            raise DataError(
                "The data set digits is part of scikit-learn, which is not installed.",
                remedy="pip install 'emopms[digits]'",
            )
        from emopms.builtin.data._digits import DigitsSource

        return DigitsSource()
