from __future__ import annotations

import pytest
import torch

from emopms.builtin.backbone.vgg_cifar import VggCifar
from emopms.errors import NetworkError
from emopms.network.costs.cost_model import count
from emopms.network.partition.subnetwork import subnetworks_of

CIFAR = (3, 32, 32)


def test_costs_are_the_published_ones() -> None:
    found = count(VggCifar().build(input_shape=CIFAR, classes=10), torch.zeros(2, *CIFAR))
    assert found.macs == pytest.approx(0.313e9, rel=0.005)
    assert found.params == pytest.approx(14.72e6, rel=0.005)


def test_stages_halve_the_image_and_can_be_split_at() -> None:
    network = VggCifar().build(input_shape=CIFAR, classes=10).eval()
    assert [name for name, _ in network.named_children()] == [*(f"stage{k}" for k in range(1, 6)), "classifier"]
    parts = subnetworks_of(network, ["stage1", "stage2", "stage3", "stage4"], torch.zeros(2, *CIFAR))
    assert [part.output_shape for part in parts] == [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2), (10,)]
    sizes = [[group.size for group in part.channels.groups] for part in parts]
    assert sizes == [[64], [128], [256, 256], [512, 512], [512, 512, 512]]


def test_every_convolution_is_free_without_splits() -> None:
    network = VggCifar().build(input_shape=CIFAR, classes=10)
    (whole,) = subnetworks_of(network, [], torch.zeros(2, *CIFAR))
    assert len(whole.channels.groups) == 13
    assert set(whole.channels.pinned) == {"classifier.2"}


def test_images_too_small_are_refused() -> None:
    with pytest.raises(NetworkError, match="needs 32x32 pixels; these images have 28x28") as caught:
        VggCifar().build(input_shape=(1, 28, 28), classes=10)
    assert "small_resnet" in caught.value.remedy
