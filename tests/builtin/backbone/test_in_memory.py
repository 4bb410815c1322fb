"""A network that a Python program holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

from emopms.builtin.backbone.in_memory import InMemory
from emopms.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.LazyLinear(5))


def test_the_network_comes_with_its_weights_and_stays_as_it_is() -> None:
    inner = _network()
    backbone = InMemory.holding(nn.DataParallel(inner))
    with torch.no_grad():
        inner.get_parameter("0.weight").zero_()  # later changes do not count
    built, again = (backbone.build(input_shape=(3, 2, 2), classes=5) for _ in range(2))
    assert isinstance(built, nn.Sequential), "unwrapped"
    assert built(torch.zeros(2, 3, 2, 2)).shape == (2, 5), "sized"
    weight = built.get_parameter("0.weight")
    assert weight.any()
    assert torch.equal(weight, again.get_parameter("0.weight"))
    assert weight is not again.get_parameter("0.weight")
    assert isinstance(inner[2], nn.LazyLinear)
    assert backbone.has_weights


@pytest.mark.parametrize("normalised", [weight_norm, parametrizations.weight_norm])
def test_weight_normalisation_is_folded_in_the_copy_alone(normalised: Callable[[nn.Module], nn.Module]) -> None:
    network = nn.Sequential(normalised(nn.Conv2d(3, 4, 1)), nn.Flatten(), nn.Linear(16, 5))
    images = torch.randn(2, 3, 2, 2)
    before = network(images)
    built = InMemory.holding(network).build(input_shape=(3, 2, 2), classes=5)
    assert torch.equal(network(images), before)
    assert torch.allclose(built(images), before, atol=1e-6)
    assert {name for name, _ in built.named_parameters()} == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert torch.equal(network(images), before)


def test_a_file_holds_no_network() -> None:
    backbone = InMemory.model_validate({"name": "in_memory"})
    with pytest.raises(NetworkError, match=r"in the memory of the Python program") as caught:
        backbone.build(input_shape=(3, 2, 2), classes=5)
    assert "emopms.load(folder, network=…)" in caught.value.remedy
