"""VGG-16 with batch norm for CIFAR (Simonyan and Zisserman, 2015), with only one linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from emopms.builtin.nets.resnet import he_initialise

if TYPE_CHECKING:
    from torch import Tensor


class Vgg16(nn.Module):
    """VGG-16: thirteen 3x3 convolutions in five stages, average pool, linear layer. Each stage halves the image.

    Args:
        channels: Channels of the images, which must be 32x32 pixels or larger.
        classes: Number of classes.
    """

    def __init__(self, *, channels: int, classes: int) -> None:
        super().__init__()
        self.stage1 = _stage(channels, 64, 2)
        self.stage2 = _stage(64, 128, 2)
        self.stage3 = _stage(128, 256, 3)
        self.stage4 = _stage(256, 512, 3)
        self.stage5 = _stage(512, 512, 3)
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))
        he_initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.classifier(self.stage5(self.stage4(x)))  # type: ignore[no-any-return]


def _stage(incoming: int, outgoing: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        layers += [
            nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False),
            nn.BatchNorm2d(outgoing),
            nn.ReLU(),
        ]
        incoming = outgoing
    return nn.Sequential(*layers, nn.MaxPool2d(2))
