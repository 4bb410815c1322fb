"""The backbone ``resnet_cifar``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from emopms.api import Backbone, Width

if TYPE_CHECKING:
    from torch import nn

_DEPTHS = range(8, 1203, 6)


def _known_depth(depth: int) -> int:
    if depth not in _DEPTHS:
        raise PydanticCustomError(
            "depth",
            "there is no CIFAR ResNet of depth {depth}: depths are 6n + 2, from 8 to {deepest}; "
            "the published ones are 20, 32, 44, 56 and 110",
            {"depth": depth, "deepest": _DEPTHS[-1]},
        )
    return depth


class ResNetCifar(Backbone):
    """CIFAR ResNet of depth 6n + 2, with shortcuts without parameters, and the stages `layer1`, `layer2`, `layer3`."""

    name: Literal["resnet_cifar"] = "resnet_cifar"
    depth: Annotated[int, AfterValidator(_known_depth), Field(examples=[20])]
    """Number of layers: 6n + 2, and at least 8. The published depths are 20, 32, 44, 56 and 110."""
    width: Width = 16
    """Channels of the first stage. The second stage has twice as many, and the third stage four times as many."""

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        from emopms.builtin.nets import resnet

        return resnet.ResNetCifar(self.depth, width=self.width, channels=input_shape[0], classes=classes)
