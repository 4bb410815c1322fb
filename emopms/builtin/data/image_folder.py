"""The data set kind ``image_folder``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, model_validator
from pydantic_core import PydanticCustomError

from emopms.api import Data, Width

if TYPE_CHECKING:
    from emopms.api import Folder, Source


def _inner(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts:
        raise PydanticCustomError("inner_path", "expected a folder inside `root`, such as train")
    return str(parts)


class ImageFolder(Data):
    """JPEG and PNG files sorted into class folders, in a folder or in a zip file that is read in place.

    Classes are the folders inside `train` in natural order (`2` before `10`). Images become RGB.
    """

    name: Literal["image_folder"] = "image_folder"
    root: Annotated[str, Field(min_length=1, examples=["data/cifar10-jpeg.zip"])]
    """Folder or zip file, relative to the data root. A zip file may hold everything in one leading folder."""
    train: Annotated[str, AfterValidator(_inner)] = "train"
    """Folder inside `root` with a folder of training images for each class."""
    test: Annotated[str, AfterValidator(_inner)] = "test"
    """Likewise for test images; its classes must be among those of `train`."""
    size: Width | Annotated[tuple[Width, Width], Field(strict=False)] | None = None
    """Height and width (or one number for both) that images are scaled to cover and cropped to at their centre.
    Without it all images must have the same size."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.485, 0.456, 0.406)
    """Mean of each channel, of pixels in 0…1 (one value serves all channels). The default is ImageNet's."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.229, 0.224, 0.225)
    """Standard deviation of each channel, likewise."""

    @model_validator(mode="after")
    def _train_is_not_test(self) -> Self:
        if self.train == self.test:
            raise PydanticCustomError("same_part", "train and test are the same folder: no image may be in both")
        return self

    def open(self, folder: Folder) -> Source:
        """As `Data.open`: lists the files, and reads the header of the first where ``size`` is not given.

        Raises:
            DataError: ``root`` is missing, cannot be read or has not that layout.
        """
        root = folder.find(self.root, what="image folder or zip file")
        from emopms.builtin.data._image_folder import ImageFolderSource

        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        return ImageFolderSource(root, train=self.train, test=self.test, size=size)
