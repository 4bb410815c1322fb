"""Slot ``data``: images, labelled or not, and which of them may be seen by whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from emopms.api.added_fields import AddedFields
from emopms.component import invalid
from emopms.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


MOST_VALUE: Final = 8.0
"""Largest absolute value that floating-point pixels, their mean and their deviation may have. It leaves room for pixels
that were standardised beforehand, and none for the scale 0…255."""


@dataclass(frozen=True)
class Images:
    """Images in memory, with their labels."""

    pixels: NDArray[Any]
    """[N, C, H, W]: uint8 in 0…255, or float32 in 0…1; the engine subtracts the mean and divides by the deviation."""
    labels: NDArray[Any]
    """[N], int64 class numbers from 0; of a source without labels −1 throughout, and never looked at."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Folder:
    """The folder that relative paths in a spec start from."""

    path: Path
    origin: str
    """How that folder was chosen, for error messages."""

    def find(self, relative: str, *, what: str) -> Path:
        """The file or folder at ``relative`` (or at an absolute path).

        Raises:
            DataError: Nothing is there.
        """
        path = self.path / relative
        if not path.exists():
            raise DataError(
                f"No {what} at {path} ({self.origin}).",
                remedy="Name the folder that holds it with --data-root DIR or the variable EMOPMS_DATA.",
            )
        return path


class Source(ABC):
    """Opened data: cheap facts at once, pixels when asked for."""

    shape: tuple[int, ...]
    """[C, H, W] of one image."""
    classes: tuple[str, ...]
    """Class names, in the order of the class numbers."""
    train_size: int
    """Number of images that `train` gives."""
    test_size: int
    """Number of images that `test` gives."""
    fingerprint: str
    """Changes whenever the content does; stages are stored under it."""
    labelled: bool = True
    """Whether the images carry labels. Where they do not, what the dense network predicts takes their place."""
    validation_size: int = 0
    """Number of images that `validation` gives. It is 0 where the data have no validation images of their own; the
    engine then takes them from the training images."""
    doubt: str = ""
    """A sentence for the user whose given weights turn out to know nothing about these data: which setting of the data
    may be the reason, such as the order of the classes. Empty where there is no such setting."""

    @abstractmethod
    def train(self) -> Images:
        """All images that are not test images, in a fixed order."""

    def validation(self) -> Images:
        """The validation images, in a fixed order, where `validation_size` is not 0. None of them may be a training
        image."""
        raise NotImplementedError

    @abstractmethod
    def test(self) -> Images:
        """The test images, in a fixed order."""


class Data(AddedFields):
    """An image data set.

    The engine carves calibration, ranking and validation images out of `Source.train`; what is left is trained on. The
    search sees calibration images, what it found is ranked and refined on ranking images, choices are made on
    validation images, and test images are read once, at the end. Where the data have validation images of their own
    (`Source.validation`), none are taken from the training images.
    """

    slot: ClassVar[str] = "data"

    calibration: Annotated[int, Field(ge=2)] = 1024
    """Images on which candidates are evaluated during the search; as many others rank and refine what it found."""
    validation: Annotated[int, Field(ge=2)] = 1024
    """Images on which schemes for the whole network are measured and chosen. Where the data have validation images of
    their own, at most so many of them are used."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.5,)
    """Mean of each channel, of pixels in 0…1 (one value serves all channels)."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.5,)
    """Standard deviation of each channel, likewise."""
    augment: Annotated[tuple[Literal["flip", "crop"], ...], Field(strict=False)] = ()
    """Training images are flipped left to right, and shifted along each axis by up to an eighth of its size. Along an
    axis of fewer than 8 pixels they are not shifted."""

    @model_validator(mode="after")
    def _mean_is_of_pixels_in_0_to_1(self) -> Self:
        """Refuse a mean or deviation that was taken of pixels in 0…255."""
        for name in ("mean", "std"):
            if max(map(abs, getattr(self, name))) > MOST_VALUE:
                raise invalid(
                    f"`{name}` is {list(getattr(self, name))}, which is no {name} of pixels in 0…1.",
                    "Divide it by 255 if it was taken of pixels in 0…255.",
                )
        return self

    @property
    def held_out(self) -> int:
        """Images that are not trained on, of those that `Source.train` gives, where the data have no validation images
        of their own (see `held_out_of`)."""
        return 2 * self.calibration + self.validation

    def held_out_of(self, source: Source) -> int:
        """Count the images that are not trained on, of those that ``source.train()`` gives."""
        return 2 * self.calibration + (0 if source.validation_size else self.validation)

    def validated_on(self, source: Source) -> int:
        """Count the images on which schemes for the whole network are measured."""
        return min(self.validation, source.validation_size) if source.validation_size else self.validation

    @abstractmethod
    def open(self, folder: Folder) -> Source:
        """Look at the data without reading all of them.

        Raises:
            DataError: They are missing or not of the expected form.
        """
