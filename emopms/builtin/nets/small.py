"""A small residual network for tiny images, such as 8x8 or 28x28 digits."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

from emopms.builtin.nets.resnet import BasicBlock, he_initialise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class SmallResNet(nn.Module):
    """A residual network: ``stem``, ``stage1`` … ``stageK`` and ``head``. Each stage after the first halves the image.

    Args:
        widths: Channels of each stage. The stem has as many channels as the first stage.
        blocks: Number of basic blocks per stage.
        channels: Channels of the images.
        classes: Number of classes.
    """

    def __init__(self, widths: Sequence[int], *, blocks: int, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self._stages = [f"stage{number}" for number in range(1, len(widths) + 1)]
        strides = [1] + [2] * (len(widths) - 1)
        sizes = pairwise([widths[0], *widths])
        for name, (incoming, outgoing), stride in zip(self._stages, sizes, strides, strict=True):
            self.add_module(name, _stage(incoming, outgoing, blocks=blocks, stride=stride))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))
        he_initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for name in self._stages:
            x = self.get_submodule(name)(x)
        return self.head(x)  # type: ignore[no-any-return]


def _stage(incoming: int, outgoing: int, *, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(
        incoming,
        outgoing,
        stride=stride,
        shortcut=nn.Identity() if stride == 1 and incoming == outgoing else _projection(incoming, outgoing, stride),
    )
    rest = (BasicBlock(outgoing, outgoing, stride=1, shortcut=nn.Identity()) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


def _projection(incoming: int, outgoing: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(incoming, outgoing, 1, stride=stride, bias=False), nn.BatchNorm2d(outgoing))
