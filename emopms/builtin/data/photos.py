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

    What the dense network sees in them takes the place of labels, so it needs `backbone: {weights: …}` and
    `pretrain: {epochs: 0}`; accuracies are agreement with the dense network. Images become RGB, and
    are turned upright as their EXIF orientation says.
    """

    name: Literal["photos"] = "photos"
    root: Annotated[str, Field(min_length=1, examples=["data/photos.zip"])]
    """Folder or zip file, relative to the data root. Names of the folders inside it mean nothing; links to folders
    are not followed."""
    size: Annotated[Width | Annotated[tuple[Width, Width], Field(strict=False)], Field(examples=[224])]
    """Height and width (or one number for both) that images are scaled to cover and cropped to at their centre."""
    classes: Annotated[int, Field(ge=2, le=1_000_000, examples=[1000])]
    """Number of class scores that the network gives."""
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the images that is held out for the test, always the same ones."""
    mean: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.485, 0.456, 0.406)
    """Mean of each channel, of pixels in 0…1 (one value serves all channels). The default is ImageNet's."""
    std: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (0.229, 0.224, 0.225)
    """Standard deviation of each channel, likewise."""

    channels: Literal[1, 3] = 3
    """3 makes every image RGB, 1 makes every image grey; then `mean` and `std` need one value."""
    background: Literal["white", "black", "grey"] | None = None
    """Colour that images are laid on where they are transparent. Without it, transparent images are refused."""

    added: ClassVar[frozenset[str]] = frozenset({"channels", "background"})

    @model_validator(mode="after")
    def _grey_has_one_mean(self) -> Self:
        require_one_mean(self.channels, self.mean, self.std)
        return self

    def open(self, folder: Folder) -> Source:
        """As `Data.open`: lists the files.

        Raises:
            DataError: ``root`` is missing, cannot be read or holds too few images.
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
