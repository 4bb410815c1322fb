"""The data set kind ``idx``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat

from emopms.api import Data

if TYPE_CHECKING:
    from emopms.api import Folder, Source


class Idx(Data):
    """Grey images in the idx files of MNIST and its kin: `train-images-idx3-ubyte` and so on, plain or gzipped."""

    name: Literal["idx"] = "idx"
    root: Annotated[str, Field(min_length=1, examples=["data/mnist"])]
    """Folder that holds the four files, relative to the data root."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.1307,)
    """Mean of pixels in 0…1. The default is MNIST's; Fashion-MNIST's is 0.2860."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.3081,)
    """Standard deviation of pixels in 0…1. The default is MNIST's; Fashion-MNIST's is 0.3530."""

    def open(self, folder: Folder) -> Source:
        """As `Data.open`: reads all labels, and the headers and lengths of the image files.

        Raises:
            DataError: A file is missing, is not an idx file, or does not fit the others.
        """
        root = folder.find(self.root, what="folder of idx files")
        from emopms.builtin.data._idx import IdxSource

        return IdxSource(root)
