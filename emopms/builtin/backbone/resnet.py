"""The backbone ``resnet``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emopms.api import Backbone

if TYPE_CHECKING:
    from torch import nn


class ResNet(Backbone):
    """ImageNet ResNet with the stages `layer1` to `layer4`. Checkpoints of torchvision can be loaded."""

    name: Literal["resnet"] = "resnet"
    depth: Annotated[Literal[18, 34, 50], Field(examples=[50])]
    """Number of layers. The blocks of depth 50 are bottlenecks of three convolutions."""

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        from emopms.builtin.nets import imagenet_resnet

        return imagenet_resnet.ResNet(self.depth, channels=input_shape[0], classes=classes)
