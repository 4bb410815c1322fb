"""The data set kind ``image_folder``."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

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


def require_one_mean(channels: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Refuse grey images if the mean or the standard deviation has several values. The defaults have three values.

    Raises:
        PydanticCustomError: The mean or the standard deviation of grey images has several values.
    """
    if channels == 1 and (len(mean), len(std)) != (1, 1):
        raise PydanticCustomError(
            "grey_mean", "grey images have one channel: write one value for `mean` and `std`, such as [0.45] and [0.23]"
        )


class ImageFolder(Data):
    """JPEG and PNG files sorted into class folders, in a folder or in a zip file that is read in place.

    Classes are the folders inside `train`. Images become RGB, and are turned upright by their EXIF orientation.
    torchvision does not turn images, so weights that were trained with torchvision may have seen photos lying on their
    side.
    """

    name: Literal["image_folder"] = "image_folder"
    root: Annotated[str, Field(min_length=1, examples=["data/cifar10-jpeg.zip"])]
    """Folder or zip file, relative to the data root: the folder that `--data-root` or `EMOPMS_DATA` names, or else the
    folder of the spec. In a zip file, everything may be inside one top folder."""
    train: Annotated[str, AfterValidator(_inner)] = "train"
    """Folder inside `root` that contains a folder of training images for each class."""
    test: Annotated[str, AfterValidator(_inner)] = "test"
    """Folder inside `root` that contains a folder of test images for each class. All these classes must be in `train`
    too."""
    size: Width | Annotated[tuple[Width, Width], Field(strict=False)] | None = None
    """Height and width of all images, or one number for both. Images are scaled to cover this size and cropped at their
    centre. If no size is set, all images must have the same size."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.485, 0.456, 0.406)
    """Mean of each channel, for pixels in 0…1. A single value is used for all channels. The default is the mean of
    ImageNet."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.229, 0.224, 0.225)
    """Standard deviation of each channel, for pixels in 0…1. A single value is used for all channels. The default is
    the value of ImageNet."""

    validation_folder: Annotated[str, AfterValidator(_inner)] | None = None
    """Folder inside `root` that contains a folder of validation images for each class. At most `validation` of these
    images are used. If no folder is set, validation images are taken from the training images."""
    order: Literal["natural", "text"] | Annotated[tuple[str, ...], Field(strict=False, min_length=2)] = "natural"
    """Order in which class folders are numbered: `natural` puts `2` before `10`, `text` puts `10` before `2`. Use
    `text` for weights that were trained with torchvision's ImageFolder. A list of all class folders, such as
    `[cat, dog, ant]`, is any other order."""
    channels: Literal[1, 3] = 3
    """`3` makes every image RGB. `1` makes every image grey; then `mean` and `std` must have one value."""
    background: Literal["white", "black", "grey"] | None = None
    """Colour on which transparent images are laid. If no colour is set, transparent images are refused."""

    added: ClassVar[frozenset[str]] = frozenset({"validation_folder", "order", "channels", "background"})

    @model_validator(mode="after")
    def _parts_differ(self) -> Self:
        if self.train == self.test:
            raise PydanticCustomError("same_part", "train and test are the same folder: no image may be in both")
        if self.validation_folder in (self.train, self.test):
            raise PydanticCustomError(
                "same_part",
                "validation_folder is the folder of the training or test images: no image may be in both",
            )
        return self

    @model_validator(mode="after")
    def _grey_has_one_mean(self) -> Self:
        require_one_mean(self.channels, self.mean, self.std)
        return self

    def open(self, folder: Folder) -> Source:
        """Open ``root``, and list the image files. Without ``size``, also read the header of the first image.

        Raises:
            DataError: ``root`` is missing, cannot be read, or does not contain the class folders.
        """
        root = folder.find(self.root, what="image folder or zip file")
        from emopms.builtin.data._image_folder import ImageFolderSource

        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        return ImageFolderSource(
            root,
            train=self.train,
            test=self.test,
            validation=self.validation_folder,
            size=size,
            order=self.order,
            channels=self.channels,
            background=self.background,
        )
