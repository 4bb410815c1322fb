"""The backbone ``vgg_cifar``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Backbone
from emopms.errors import NetworkError

if TYPE_CHECKING:
    from torch import nn

_SMALLEST = 32  # five halvings


class VggCifar(Backbone):
    """VGG-16 with batch norm for images of at least 32x32 pixels, with the modules `stage1` to `stage5` and
    `classifier`."""

    name: Literal["vgg_cifar"] = "vgg_cifar"

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build the network with random weights.

        Raises:
            NetworkError: The images are too small to be halved five times.
        """
        channels, height, width = input_shape
        if min(height, width) < _SMALLEST:
            raise NetworkError(
                f"vgg_cifar halves the image five times and needs {_SMALLEST}x{_SMALLEST} pixels; "
                f"these images have {height}x{width}.",
                remedy="Use larger images, or the backbone small_resnet.",
            )
        from emopms.builtin.nets.vgg import Vgg16

        return Vgg16(channels=channels, classes=classes)
