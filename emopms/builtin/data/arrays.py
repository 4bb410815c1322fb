"""The data set kind ``arrays``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from emopms.api import Data

if TYPE_CHECKING:
    from emopms.api import Folder, Source


class Arrays(Data):
    """Images in one npz file with the arrays `x_train`, `y_train`, `x_test`, `y_test`, and optionally `classes`.

    Pixels are uint8 [N, H, W] or [N, C, H, W], or float32 [N, C, H, W] in 0…1. Labels are whole numbers [N] from 0.
    `classes` holds the names of the classes.
    """

    name: Literal["arrays"] = "arrays"
    file: Annotated[str, Field(min_length=1, examples=["data/images.npz"])]
    """The npz file, relative to the data root: the folder that `--data-root` or `EMOPMS_DATA` names, or else the folder
    of the spec."""
    layout: Literal["channels_first", "channels_last"] | None = None
    """Order of the dimensions of pixels: `channels_first` is [N, C, H, W]. `channels_last` is [N, H, W, C], as in
    Keras, Pillow and matplotlib. If no order is set, channels come first, and arrays whose shape looks like
    [N, H, W, C] are refused."""
    validation_arrays: Annotated[str, Field(pattern=r"^\w+$")] | None = None
    """Name of the arrays of validation images: for `val`, the arrays `x_val` and `y_val` are read, and at most
    `validation` of their images are used. If no name is set, validation images are taken from the training images."""

    added: ClassVar[frozenset[str]] = frozenset({"layout", "validation_arrays"})

    def open(self, folder: Folder) -> Source:
        """Open the file, and read all labels, and the types and shapes of the pixels.

        Raises:
            DataError: The file is missing or damaged, or an array is missing or has a wrong type, shape or value.
        """
        path = folder.find(self.file, what="npz file")
        from emopms.builtin.data._arrays import ArraysSource

        return ArraysSource(path, layout=self.layout, validation=self.validation_arrays)
