"""ResNet-18, 34 and 50 (He et al., 2016) with the parameter names of torchvision, to load torchvision's checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class ResNet(nn.Module):
    """A ResNet: 7x7 stem and max pool, four stages of residual blocks, average pool, linear layer ``fc``.

    Args:
        depth: Number of layers: 18, 34 or 50.
        channels: Channels of the images.
        classes: Number of classes.
    """

    def __init__(self, depth: int, *, channels: int, classes: int) -> None:
        super().__init__()
        block, blocks = STAGES[depth]
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        incoming = 64
        for number, count in enumerate(blocks, start=1):
            width = 32 * 2**number
            stage = _stage(block, incoming, width, count=count, stride=1 if number == 1 else 2)
            self.add_module(f"layer{number}", stage)
            incoming = width * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(incoming, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return self.fc(self.flatten(self.avgpool(x)))  # type: ignore[no-any-return]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: [N, incoming, H, W] → [N, width, ⌈H/stride⌉, ⌈W/stride⌉]."""

    expansion: Final = 1

    def __init__(self, incoming: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(incoming, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.downsample(x))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution, and a shortcut: [N, incoming, H, W] → [N, 4 · width, ⌈H/stride⌉, ⌈W/stride⌉].

    The 3x3 convolution has the stride.
    """

    expansion: Final = 4

    def __init__(self, incoming: int, width: int, *, stride: int) -> None:
        super().__init__()
        outgoing = width * self.expansion
        self.conv1 = nn.Conv2d(incoming, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outgoing, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outgoing)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(incoming, outgoing, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + self.downsample(x))  # type: ignore[no-any-return]


STAGES: Final[Mapping[int, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}
"""For each depth of a ResNet: the class of its blocks, and the number of blocks in each of its stages."""


def _stage(
    block: type[BasicBlock | Bottleneck], incoming: int, width: int, *, count: int, stride: int
) -> nn.Sequential:
    rest = (block(width * block.expansion, width, stride=1) for _ in range(count - 1))
    return nn.Sequential(block(incoming, width, stride=stride), *rest)


def _shortcut(incoming: int, outgoing: int, stride: int) -> nn.Module:
    if stride == 1 and incoming == outgoing:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(incoming, outgoing, 1, stride=stride, bias=False), nn.BatchNorm2d(outgoing))
