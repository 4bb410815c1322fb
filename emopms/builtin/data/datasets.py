"""The data set kind ``datasets``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, PrivateAttr

from emopms.api import Data, Source
from emopms.errors import DataError

if TYPE_CHECKING:
    from emopms.api import Folder, ImageDataset


@dataclass(frozen=True)
class Given:
    """The datasets of a Python program, and how they are read."""

    train: ImageDataset
    test: ImageDataset
    validation: ImageDataset | None
    workers: int
    """Number of processes that read training images."""
    identity: str | None
    """A text that changes with the content of the datasets; None to read all of them once instead."""
    classes: int
    """Number of classes."""


class Datasets(Data):
    """The datasets of torch that a Python program passes to `emopms.prune`. A spec file cannot name them."""

    only_in_python: ClassVar[str] = "the datasets were passed to emopms.prune"

    name: Literal["datasets"] = "datasets"
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.0,)
    """Mean of each channel, which is subtracted from the images of the datasets. A single value is used for all
    channels. By default the images are taken as they are."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (1.0,)
    """Standard deviation of each channel, by which the images are divided. A single value is used for all channels."""

    _given: Given | None = PrivateAttr(default=None)
    _source: Source | None = PrivateAttr(default=None)

    def holding(self, given: Given) -> Self:
        """Return these settings with datasets."""
        made = self.model_copy()
        made._given = given
        return made

    def open(self, folder: Folder) -> Source:
        """Look at the first image and at the classes. Without ``identity``, also read all images once.

        Raises:
            DataError: The spec comes from a file, which holds no datasets, or the datasets cannot be used.
        """
        from emopms.builtin.data._datasets import DatasetsSource

        if self._given is None:
            raise DataError(
                "The datasets were in the memory of the Python program that called emopms.prune.",
                remedy="Call emopms.prune again with them.",
            )
        if self._source is None:  # once: it may take minutes to read all images
            self._source = DatasetsSource(self._given)
        return self._source
