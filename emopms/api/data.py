"""Slot ``data``: images with or without labels, and what each of them is used for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Protocol, Self

from pydantic import Field, PositiveFloat, model_validator

from emopms.api.added_fields import AddedFields
from emopms.component import Component, invalid
from emopms.documented import documented
from emopms.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


MOST_VALUE: Final = 8.0
"""Largest absolute value that is accepted for floating-point pixels, their mean and their standard deviation. Pixels
that were standardised beforehand stay below it. Pixels in 0…255 exceed it."""


@documented
@dataclass(frozen=True)
class Images:
    """Images in memory, with their labels."""

    pixels: NDArray[Any]
    """[N, C, H, W]: uint8 in 0…255, or float32 in 0…1. The engine subtracts the mean and divides by the standard
    deviation."""
    labels: NDArray[Any]
    """[N], int64 class numbers from 0. If the source has no labels, all values are −1 and are not used."""

    def __len__(self) -> int:
        return len(self.labels)


class ImageDataset(Protocol):
    """Images that are read one by one, because together they may not fit into memory. Each item is the pixels
    [C, H, W] of an image, as a tensor or an array of the values of `Images.pixels`, and its class number.

    A map-style ``torch.utils.data.Dataset`` has this form.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Any, Any]: ...


@documented
@dataclass(frozen=True)
class Folder:
    """The folder that relative paths in a spec start from."""

    path: Path
    """The folder."""
    origin: str
    """How the folder was chosen, for error messages."""

    def find(self, relative: str, *, what: str) -> Path:
        """Return the path of the file or folder ``relative`` in this folder. An absolute path is returned unchanged.

        Raises:
            DataError: There is no such file or folder.
        """
        path = self.path / relative
        if not path.exists():
            raise DataError(
                f"No {what} at {path} ({self.origin}).",
                remedy="Name the folder that holds it with --data-root DIR or the variable EMOPMS_DATA.",
            )
        return path


_MANY: Final = 100
"""Maximum number of class names that a message lists."""

Part = Literal["train", "validation", "test"]
"""A part of the images of a source."""


class Source(ABC):
    """Opened data. The attributes are known at once. Pixels are read when one of the methods is called."""

    shape: tuple[int, ...]
    """[C, H, W] of one image."""
    classes: tuple[str, ...]
    """Class names, in the order of the class numbers."""
    train_size: int
    """Number of images that `train` gives."""
    test_size: int
    """Number of images that `test` gives."""
    fingerprint: str
    """A text that changes whenever the content of the data changes. Results of stages are stored under it."""
    labelled: bool = True
    """Whether the images have labels. If they have none, the predictions of the dense network are used as labels."""
    validation_size: int = 0
    """Number of images that `validation` gives. It is 0 if the data have no validation images of their own. The engine
    then takes validation images from the training images."""
    workers: int = 0
    """Number of processes that read the images of `one_by_one`. With 0, the process of the run reads them. The number
    changes no result."""
    doubt: str = ""
    """A sentence for a user whose weights file gives an accuracy no better than chance on these data. The sentence
    names the setting of the data that may be the reason, such as the order of the classes. It is empty if there is no
    such setting."""

    def reordered(self, classes: Sequence[str]) -> str:
        """Return a sentence that says how to number the classes in another order, for a user whose weights fit it.

        Args:
            classes: The class names in this order.
        """
        shown = ", ".join(classes[:_MANY]) + (", …" if len(classes) > _MANY else "")
        return (
            f"Number the classes of the data as they were when the weights were trained; this order fits best: {shown}."
        )

    @abstractmethod
    def train(self) -> Images:
        """Return all images that are not test images, in the same order at every call."""

    def validation(self) -> Images:
        """Return the validation images, in the same order at every call. None of them may be a training image.

        The engine calls this method only if `validation_size` is above 0.
        """
        raise NotImplementedError

    @abstractmethod
    def test(self) -> Images:
        """Return the test images, in the same order at every call."""

    def one_by_one(self, part: Part) -> ImageDataset | None:
        """Return the images of a part so that they are read one by one, in each epoch anew. The engine then does not
        call the method of that name. None if the part is in memory.

        Before an item is read, the global random generators of torch, numpy and Python are seeded for this item and
        epoch.

        Args:
            part: ``train``, ``validation`` or ``test``.
        """
        return None


class Data(AddedFields, Component):
    """An image data set.

    The engine takes calibration, ranking and validation images out of `Source.train`. The remaining images are used for
    training. The search evaluates candidates (pruned sub-networks) on calibration images. The candidates that the
    search finds are ranked and refined on ranking images. The pruned networks to produce are chosen on validation
    images. Test images are read once, at the end. If the data have validation images of their own
    (`Source.validation`), no validation images are taken from the training images.
    """

    slot: ClassVar[str] = "data"

    calibration: Annotated[int, Field(ge=2)] = 1024
    """Number of images on which the search evaluates candidates (pruned sub-networks). The same number of other images
    is used to rank and refine the results of the search."""
    validation: Annotated[int, Field(ge=2)] = 1024
    """Number of images on which schemes for the whole network are measured and chosen. If the data have fewer
    validation images of their own, all of these are used."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.5,)
    """Mean of each channel, for pixels in 0…1. A single value is used for all channels."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.5,)
    """Standard deviation of each channel, for pixels in 0…1. A single value is used for all channels."""
    augment: Annotated[tuple[Literal["flip", "crop"], ...], Field(strict=False)] = ()
    """Random changes of training images. `flip`: half of the images are flipped left to right. `crop`: images are
    shifted along each axis by up to an eighth of their size, but not along an axis of fewer than 8 pixels."""

    @model_validator(mode="after")
    def _mean_is_of_pixels_in_0_to_1(self) -> Self:
        """Refuse a mean or standard deviation that was computed from pixels in 0…255."""
        for name in ("mean", "std"):
            if max(map(abs, getattr(self, name))) > MOST_VALUE:
                raise invalid(
                    f"`{name}` is {list(getattr(self, name))}, which is no {name} of pixels in 0…1.",
                    "Divide it by 255 if it was taken of pixels in 0…255.",
                )
        return self

    @property
    def held_out(self) -> int:
        """Number of images from `Source.train` that are not used for training.

        The number holds for data without validation images of their own. `held_out_of` gives it for any data.
        """
        return 2 * self.calibration + self.validation

    def held_out_of(self, source: Source) -> int:
        """Return the number of images from ``source.train()`` that are not used for training."""
        return 2 * self.calibration + (0 if source.validation_size else self.validation)

    def validated_on(self, source: Source) -> int:
        """Return the number of images on which schemes for the whole network are measured."""
        return min(self.validation, source.validation_size) if source.validation_size else self.validation

    @abstractmethod
    def open(self, folder: Folder) -> Source:
        """Open the data without reading all pixels.

        Raises:
            DataError: The data are missing or do not have the expected form.
        """
