"""The data set kind ``photos``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from emopms.api import Data, Width
from emopms.builtin.data.image_folder import require_one_mean

if TYPE_CHECKING:
    from emopms.api import Folder, Source


class Photos(Data):
    """JPEG and PNG files without labels, anywhere below a folder or in a zip file that is read in place.

    The predictions of the dense network are used as labels. So the spec needs `backbone: {weights: …}` and
    `pretrain: {epochs: 0}`, and all reported accuracies are agreement with the dense network. Images become RGB, and
    are turned upright by their EXIF orientation.
    """

    name: Literal["photos"] = "photos"
    root: Annotated[str, Field(min_length=1, examples=["data/photos.zip"])]
    """Folder or zip file, relative to the data root: the folder that `--data-root` or `EMOPMS_DATA` names, or else the
    folder of the spec. The names of folders inside `root` are ignored. Links to folders are not followed."""
    size: Annotated[Width | Annotated[tuple[Width, Width], Field(strict=False)], Field(examples=[224])]
    """Height and width of all images, or one number for both. Images are scaled to cover this size and cropped at their
    centre."""
    classes: Annotated[int, Field(ge=2, le=1_000_000, examples=[1000])]
    """Number of classes: the number of class scores that the network returns."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the images that are test images. They are the same images in every run."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.485, 0.456, 0.406)
    """Mean of each channel, for pixels in 0…1. A single value is used for all channels. The default is the mean of
    ImageNet."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.229, 0.224, 0.225)
    """Standard deviation of each channel, for pixels in 0…1. A single value is used for all channels. The default is
    the value of ImageNet."""

    channels: Literal[1, 3] = 3
    """`3` makes every image RGB. `1` makes every image grey; then `mean` and `std` must have one value."""
    background: Literal["white", "black", "grey"] | None = None
    """Colour on which transparent images are laid. If no colour is set, transparent images are refused."""

    added: ClassVar[frozenset[str]] = frozenset({"channels", "background"})

    @model_validator(mode="after")
    def _grey_has_one_mean(self) -> Self:
        require_one_mean(self.channels, self.mean, self.std)
        return self

    def open(self, folder: Folder) -> Source:
        """Open ``root``, and list the image files.

        Raises:
            DataError: ``root`` is missing, cannot be read, or holds too few images.
        """
        root = folder.find(self.root, what="image folder or zip file")
        from emopms.builtin.data._photos import PhotosSource

        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        return PhotosSource(
            root,
            size=size,
            classes=self.classes,
            test=self.test,
            channels=self.channels,
            background=self.background,
        )
