from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from emopms.builtin.backbone.densenet_cifar import DenseNetCifar
from emopms.network.costs.cost_model import count
from emopms.network.partition.subnetwork import subnetworks_of

CIFAR = (3, 32, 32)


@pytest.mark.parametrize(("depth", "params"), [(40, 1.0e6), (100, 7.0e6)])
def test_parameters_are_the_published_ones(depth: int, params: float) -> None:
    network = DenseNetCifar(depth=depth).build(input_shape=CIFAR, classes=10)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(params, rel=0.025)


def test_macs_are_half_the_published_operations() -> None:
    found = count(DenseNetCifar(depth=40).build(input_shape=CIFAR, classes=10), torch.zeros(2, *CIFAR))
    assert found.macs == pytest.approx(5.33e8 / 2, rel=0.01)  # Liu et al. (2017), which count more than products


def test_layers_read_all_before_them() -> None:
    network = DenseNetCifar(depth=10, growth=4).build(input_shape=CIFAR, classes=10).eval()
    x = torch.randn(2, 16, 5, 5)
    out = network.get_submodule("block1")(x)
    assert out.shape == (2, 24, 5, 5)
    torch.testing.assert_close(out[:, :16], x)


def test_layers_are_free_up_to_the_end_of_a_transition() -> None:
    network = DenseNetCifar(depth=10, growth=4).build(input_shape=CIFAR, classes=10)
    parts = subnetworks_of(network, ["transition1", "transition2"], torch.zeros(2, *CIFAR))
    free = [[(group.name, group.size) for group in part.channels.groups] for part in parts]
    layers = [[(f"block{k}.{layer}.conv", 4) for layer in (0, 1)] for k in (1, 2, 3)]
    assert free == [[("conv1", 16), *layers[0]], layers[1], layers[2]]


@pytest.mark.parametrize("depth", [4, 41, 406, -2])
def test_unknown_depths_are_refused_with_those_there_are(depth: int) -> None:
    with pytest.raises(ValidationError, match=rf"no CIFAR DenseNet of depth {depth}\. Depths are 3n \+ 4, from 7"):
        DenseNetCifar(depth=depth)
