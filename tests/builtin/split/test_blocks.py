from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from emopms.builtin.backbone.resnet import ResNet
from emopms.builtin.backbone.resnet_cifar import ResNetCifar
from emopms.builtin.backbone.vgg_cifar import VggCifar
from emopms.builtin.split.blocks import Blocks
from emopms.errors import NetworkError
from emopms.network.partition.subnetwork import subnetworks_of

CIFAR = torch.zeros(2, 3, 32, 32)


def test_every_block_of_a_resnet_but_the_last_is_cut_off() -> None:
    network = ResNetCifar(depth=14, width=4).build(input_shape=(3, 32, 32), classes=10)
    points = Blocks().find(network, CIFAR)
    assert points == ["layer1.0", "layer1", "layer2.0", "layer2", "layer3.0"]
    free = [[group.name for group in part.channels.groups] for part in subnetworks_of(network, points, CIFAR)]
    assert free == [[f"layer{stage}.{block}.conv1"] for stage in (1, 2, 3) for block in (0, 1)]


@pytest.mark.slow
def test_blocks_with_projections() -> None:
    network = ResNet(depth=50).build(input_shape=(3, 32, 32), classes=10)
    points = Blocks().find(network, CIFAR)
    assert len(points) == 3 + 4 + 6 + 3 - 1
    assert len(subnetworks_of(network, points, CIFAR)) == len(points) + 1


class _Block(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer(x)  # type: ignore[no-any-return]


def _pair() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 6, 1), nn.Conv2d(6, 4, 1))


def test_a_block_with_nothing_to_prune_goes_with_the_next() -> None:
    network = nn.Sequential(_Block(nn.Conv2d(4, 4, 1)), _Block(_pair()), _Block(_pair()), nn.Flatten())
    example = torch.zeros(2, 4, 2, 2)
    assert Blocks().find(network, example) == ["1"]
    assert len(subnetworks_of(network, ["1"], example)) == 2


def test_a_block_inside_a_block_is_not_cut_off() -> None:
    network = nn.Sequential(_Block(nn.Sequential(_Block(_pair()), _pair())), _Block(_pair()), nn.Flatten())
    assert Blocks().find(network, torch.zeros(2, 4, 2, 2)) == ["0"]


class _Biased(nn.Module):
    """Adds a parameter, which makes no block of it."""

    def __init__(self) -> None:
        super().__init__()
        self.pair, self.bias = _pair(), nn.Parameter(torch.zeros(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.pair(x) + self.bias  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "network", [nn.Sequential(_Biased(), _Biased()), nn.Sequential(_Block(_pair()), nn.Flatten())], ids=["none", "one"]
)
def test_a_network_without_two_blocks(network: nn.Module) -> None:
    with pytest.raises(NetworkError, match="has no two residual blocks to cut between") as caught:
        Blocks().find(network, torch.zeros(2, 4, 2, 2))
    assert "`even`" in caught.value.remedy


def test_a_plain_network() -> None:
    with pytest.raises(NetworkError, match="Vgg16 has no two residual blocks"):
        Blocks().find(VggCifar().build(input_shape=(3, 32, 32), classes=10), CIFAR)
