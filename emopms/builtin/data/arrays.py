"""The data set kind ``arrays``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emopms.api import Data

if TYPE_CHECKING:
    from emopms.api import Folder, Source


class Arrays(Data):
    """Images in one npz file with the arrays `x_train`, `y_train`, `x_test`, `y_test`, and optionally `classes`.

    Pixels are uint8 [N, H, W] or [N, C, H, W], or float32 [N, C, H, W]; labels are whole numbers [N] from 0;
    classes are their names.
    """

    name: Literal["arrays"] = "arrays"
    file: Annotated[str, Field(min_length=1, examples=["data/images.npz"])]
    """The npz file, relative to the data root."""

    def open(self, folder: Folder) -> Source:
        """As `Data.open`: reads all labels, and the types and shapes of the pixels.

        Raises:
            DataError: The file is missing or damaged, or an array is missing or not as described above.
        """
        path = folder.find(self.file, what="npz file")
        from emopms.builtin.data._arrays import ArraysSource

        return ArraysSource(path)
