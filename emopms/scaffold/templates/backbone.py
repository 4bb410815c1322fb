"""The component ``new_backbone`` of the slot ``backbone``: a small network."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from emopms.api import Backbone

if TYPE_CHECKING:
    from torch import nn


class NewBackbone(Backbone):
    """A plain convolutional network with the modules `stem`, `stage1`, `stage2` and `head`."""

    name: Literal["new_backbone"] = "new_backbone"
    width: PositiveInt = 16
    """Channels of the first stage. The second stage has twice as many."""

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        from torch import nn  # inside the method, so that reading a spec does not import torch

        def block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
            return [
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]

        narrow, wide = self.width, 2 * self.width
        stages = {
            "stem": nn.Sequential(*block(input_shape[0], narrow)),
            "stage1": nn.Sequential(*block(narrow, narrow), *block(narrow, narrow)),
            "stage2": nn.Sequential(*block(narrow, wide, stride=2), *block(wide, wide)),
            "head": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide, classes)),
        }
        return nn.Sequential(OrderedDict(stages))
