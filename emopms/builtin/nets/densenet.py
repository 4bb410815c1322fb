"""DenseNets for CIFAR (Huang et al., 2017), without bottlenecks and compression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from emopms.builtin.nets.resnet import he_initialise

if TYPE_CHECKING:
    from torch import Tensor


class DenseNetCifar(nn.Module):
    """A DenseNet: 3x3 stem, three blocks of `DenseLayer` with transitions between them, average pool, linear layer.

    Args:
        depth: Number of layers: 3n + 4, with n layers per block.
        growth: Number of channels that each layer adds.
        channels: Channels of the images.
        classes: Number of classes.
    """

    def __init__(self, depth: int, *, growth: int, channels: int, classes: int) -> None:
        super().__init__()
        layers = (depth - 4) // 3
        width = 16
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.block1 = _block(width, growth, layers)
        width += layers * growth
        self.transition1 = _transition(width)
        self.block2 = _block(width, growth, layers)
        width += layers * growth
        self.transition2 = _transition(width)
        self.block3 = _block(width, growth, layers)
        width += layers * growth
        self.bn = nn.BatchNorm2d(width)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(width, classes)
        he_initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.transition1(self.block1(self.conv1(x)))
        x = self.transition2(self.block2(x))
        x = F.relu(self.bn(self.block3(x)))
        return self.linear(self.pool(x).flatten(1))  # type: ignore[no-any-return]


class DenseLayer(nn.Module):
    """Concatenates the input and ``growth`` new channels: [N, incoming, H, W] → [N, incoming + growth, H, W]."""

    def __init__(self, incoming: int, growth: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(incoming)
        self.conv = nn.Conv2d(incoming, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(F.relu(self.bn(x)))], dim=1)


def _block(incoming: int, growth: int, layers: int) -> nn.Sequential:
    return nn.Sequential(*(DenseLayer(incoming + k * growth, growth) for k in range(layers)))


def _transition(width: int) -> nn.Sequential:
    convolution = nn.Conv2d(width, width, 1, bias=False)
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), convolution, nn.AvgPool2d(2))
