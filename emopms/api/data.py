"""Slot ``data``: images, labelled or not, and which of them may be seen by whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat

from emopms.component import Component
from emopms.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


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

    @abstractmethod
    def train(self) -> Images:
        """All images that are not test images, in a fixed order."""

    @abstractmethod
    def test(self) -> Images:
        """The test images, in a fixed order."""


class Data(Component):
    """An image data set.

    The engine carves calibration, ranking and validation images out of `Source.train`; what is left is trained on. The
    search sees calibration images, what it found is ranked and refined on ranking images, choices are made on
    validation images, and test images are read once, at the end.
    """

    slot: ClassVar[str] = "data"

    calibration: Annotated[int, Field(ge=2)] = 1024
    """Images on which candidates are judged during the search; as many others rank and refine what it found."""
    validation: Annotated[int, Field(ge=2)] = 1024
    """Images on which schemes for the whole network are measured and chosen."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.5,)
    """Mean of each channel, of pixels in 0…1 (one value serves all channels)."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.5,)
    """Standard deviation of each channel, likewise."""
    augment: Annotated[tuple[Literal["flip", "crop"], ...], Field(strict=False)] = ()
    """Training images are flipped left to right, and shifted by up to an eighth of their size."""

    @property
    def held_out(self) -> int:
        """Images that are not trained on, of those that `Source.train` gives."""
        return 2 * self.calibration + self.validation

    @abstractmethod
    def open(self, folder: Folder) -> Source:
        """Look at the data without reading all of them.

        Raises:
            DataError: They are missing or not of the expected form.
        """
