"""What the tests of weights files share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from emopms.builtin.backbone.resnet_cifar import ResNetCifar
from emopms.engine.models.weights import load_weights
from emopms.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

State = dict[str, Tensor]


def small_network(depth: int = 8, classes: int = 10) -> nn.Module:
    return ResNetCifar(depth=depth, width=4).build(input_shape=(3, 32, 32), classes=classes)


def holds(network: nn.Module, state: State) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def refusal(path: Path, network: nn.Module | None = None) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        load_weights(network or small_network(), path)
    assert str(path) in caught.value.message
    assert "weights_only" not in caught.value.message + caught.value.remedy  # torch's own advice
    return caught.value


def prefixed(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def changed(state: State) -> State:
    return {name: tensor + 1 for name, tensor in state.items()}
