"""MobileNetV2 (Sandler et al., 2018) for CIFAR, with torchvision's parameter names.

Two layers with stride 2 of the published network have stride 1 here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

_STAGES = (  # expansion, channels, blocks, stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class MobileNetV2(nn.Module):
    """MobileNetV2 with ``features`` and ``classifier``. It halves the image only three times: 32x32 pixels become 4x4.

    Args:
        width: Factor on the number of channels of all layers; 1 gives the published network.
        channels: Channels of the images.
        classes: Number of classes.
    """

    def __init__(self, *, width: float, channels: int, classes: int) -> None:
        super().__init__()
        incoming = _multiple_of_8(32 * width)
        layers: list[nn.Module] = [_convolution(channels, incoming, 3)]
        for expansion, base, blocks, first in _STAGES:
            outgoing = _multiple_of_8(base * width)
            for stride in (first, *[1] * (blocks - 1)):
                layers.append(InvertedResidual(incoming, outgoing, stride=stride, expansion=expansion))
                incoming = outgoing
        last = _multiple_of_8(1280 * max(1.0, width))
        layers.append(_convolution(incoming, last, 1))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.flatten(self.pool(self.features(x))))  # type: ignore[no-any-return]

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)


class InvertedResidual(nn.Module):
    """A 1x1 convolution that expands, a depthwise 3x3 convolution and a linear 1x1 convolution that projects:
    [N, incoming, H, W] → [N, outgoing, ⌈H/stride⌉, ⌈W/stride⌉], with a shortcut if both shapes are equal."""

    def __init__(self, incoming: int, outgoing: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = incoming * expansion
        self.use_res_connect = stride == 1 and incoming == outgoing
        self.conv = nn.Sequential(
            *([_convolution(incoming, hidden, 1)] if expansion > 1 else []),
            _convolution(hidden, hidden, 3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outgoing, 1, bias=False),
            nn.BatchNorm2d(outgoing),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.use_res_connect else out


def _convolution(incoming: int, outgoing: int, size: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(incoming, outgoing, size, stride=stride, padding=size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outgoing), nn.ReLU6(inplace=True))


def _multiple_of_8(channels: float) -> int:
    """Return the multiple of 8 nearest to ``channels``, or the next larger multiple if the nearest one is
    more than 10 % below ``channels``."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
