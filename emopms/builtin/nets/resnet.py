"""CIFAR ResNets of depth 6n + 2 (He et al., 2016), whose shortcuts have no parameters (option A)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: [N, incoming, H, W] → [N, outgoing, ⌈H/stride⌉, ⌈W/stride⌉]."""

    def __init__(self, incoming: int, outgoing: int, *, stride: int, shortcut: nn.Module) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, outgoing, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outgoing)
        self.conv2 = nn.Conv2d(outgoing, outgoing, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outgoing)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class ResNetCifar(nn.Module):
    """A ResNet: 3x3 stem, three stages of blocks at full, half and quarter resolution, average pool, linear layer.

    Args:
        depth: Number of layers: 6n + 2, with n blocks per stage.
        width: Channels of the first stage; each later stage has twice as many.
        channels: Channels of the images.
        classes: Number of classes.
    """

    def __init__(self, depth: int, *, width: int, channels: int, classes: int) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, blocks)
        self.layer2 = _stage(width, 2 * width, blocks)
        self.layer3 = _stage(2 * width, 4 * width, blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(4 * width, classes)
        he_initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(self.pool(x).flatten(1))  # type: ignore[no-any-return]


def he_initialise(network: nn.Module) -> None:
    """Draw the weights of all convolutions and linear layers for ReLUs as in He et al. (2015), and set their biases to
    0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class _Downsample(nn.Module):
    """Shortcut without parameters (option A): takes every second pixel, and adds channels of zeros before and after its
    own."""

    def __init__(self, added: int) -> None:
        super().__init__()
        self.before = added // 2
        self.after = added - self.before

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


def _stage(incoming: int, outgoing: int, blocks: int) -> nn.Sequential:
    grows = outgoing != incoming
    first = BasicBlock(
        incoming,
        outgoing,
        stride=2 if grows else 1,
        shortcut=_Downsample(outgoing - incoming) if grows else nn.Identity(),
    )
    rest = (BasicBlock(outgoing, outgoing, stride=1, shortcut=nn.Identity()) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)
