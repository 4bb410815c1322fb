from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from emopms.builtin.backbone.mobilenetv2_cifar import MobileNetV2Cifar
from emopms.network.costs.cost_model import count

CIFAR = (3, 32, 32)


def test_costs() -> None:
    """Parameters as in torchvision's for ImageNet, but for the classifier: 3,504,872 − 1,281,000 + 12,810."""
    found = count(MobileNetV2Cifar().build(input_shape=CIFAR, classes=10), torch.zeros(2, *CIFAR))
    assert found.params == 3_504_872 - 1_281_000 + 12_810
    assert found.macs == pytest.approx(87.98e6, rel=0.005)


def test_names_are_torchvisions() -> None:
    network = MobileNetV2Cifar().build(input_shape=CIFAR, classes=10)
    names = {name.rpartition(".")[0] for name, _ in network.named_parameters()}
    first = {"features.0.0", "features.0.1", "features.18.0", "features.18.1", "classifier.1"}
    first |= {f"features.1.conv.{part}" for part in ("0.0", "0.1", "1", "2")}
    parts = ("0.0", "0.1", "1.0", "1.1", "2", "3")
    assert names == first | {f"features.{block}.conv.{part}" for block in range(2, 18) for part in parts}


def test_32_pixels_become_4() -> None:
    network = MobileNetV2Cifar(width=0.25).build(input_shape=CIFAR, classes=10).eval()
    assert network.get_submodule("features")(torch.zeros(2, *CIFAR)).shape == (2, 1280, 4, 4)


@pytest.mark.parametrize(("width", "channels"), [(1.0, [32, 16, 24]), (0.35, [16, 8, 8]), (1.4, [48, 24, 32])])
def test_widths_are_multiples_of_8_and_hardly_less_than_asked_for(width: float, channels: list[int]) -> None:
    network = MobileNetV2Cifar(width=width).build(input_shape=CIFAR, classes=10)
    weights = ("features.0.0.weight", "features.1.conv.1.weight", "features.2.conv.2.weight")
    assert [len(network.get_parameter(name)) for name in weights] == channels


@pytest.mark.parametrize("width", [0.0, -1.0, "1"])
def test_bad_widths_are_refused(width: object) -> None:
    with pytest.raises(ValidationError):
        MobileNetV2Cifar.model_validate({"width": width})
