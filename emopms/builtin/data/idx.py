"""The data set kind ``idx``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat

from emopms.api import Data

if TYPE_CHECKING:
    from emopms.api import Folder, Source


class Idx(Data):
    """Grey images in idx files, such as MNIST: `train-images-idx3-ubyte` and three more files, plain or gzipped."""

    name: Literal["idx"] = "idx"
    root: Annotated[str, Field(min_length=1, examples=["data/mnist"])]
    """Folder that holds the four files, relative to the data root: the folder that `--data-root` or `EMOPMS_DATA`
    names, or else the folder of the spec."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.1307,)
    """Mean of pixels in 0…1. The default is the mean of MNIST; the mean of Fashion-MNIST is 0.2860."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.3081,)
    """Standard deviation of pixels in 0…1. The default is the value of MNIST; the value of Fashion-MNIST is 0.3530."""

    def open(self, folder: Folder) -> Source:
        """Open the four idx files, and read all labels, and the headers and lengths of the image files.

        Raises:
            DataError: A file is missing, is not an idx file, or does not fit the other files.
        """
        root = folder.find(self.root, what="folder of idx files")
        from emopms.builtin.data._idx import IdxSource

        return IdxSource(root)
