"""The backbone ``small_resnet``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emopms.api import Backbone, Width

if TYPE_CHECKING:
    from torch import nn


class SmallResNet(Backbone):
    """Small residual network for tiny images: `stem`, one stage for each width (`stage1`, `stage2`, …), and `head`."""

    name: Literal["small_resnet"] = "small_resnet"
    widths: Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=8)] = (16, 32, 64)
    """Channels of each stage. Every stage after the first halves the image."""
    blocks: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of residual blocks in each stage."""

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        from emopms.builtin.nets import small

        return small.SmallResNet(self.widths, blocks=self.blocks, channels=input_shape[0], classes=classes)
