"""The backbone ``mobilenetv2_cifar``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emopms.api import Backbone

if TYPE_CHECKING:
    from torch import nn


class MobileNetV2Cifar(Backbone):
    """MobileNetV2 that halves the image only three times, with the blocks `features.1` to `features.17`."""

    name: Literal["mobilenetv2_cifar"] = "mobilenetv2_cifar"
    width: Annotated[float, Field(gt=0, le=64)] = 1.0
    """Factor on the number of channels of all layers. The products are rounded to multiples of 8."""

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        from emopms.builtin.nets.mobilenet import MobileNetV2

        return MobileNetV2(width=self.width, channels=input_shape[0], classes=classes)
