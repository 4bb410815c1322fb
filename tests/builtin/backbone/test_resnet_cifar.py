from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from emopms.builtin.backbone.resnet_cifar import ResNetCifar
from emopms.network.costs.cost_model import count
from emopms.network.partition.subnetwork import subnetworks_of

CIFAR = (3, 32, 32)


@pytest.mark.parametrize(("depth", "macs", "params"), [(20, 40.55e6, 0.27e6), (56, 125.5e6, 0.853e6)])
def test_costs_are_the_published_ones(depth: int, macs: float, params: float) -> None:
    found = count(ResNetCifar(depth=depth).build(input_shape=CIFAR, classes=10), torch.zeros(2, *CIFAR))
    assert found.macs == pytest.approx(macs, rel=0.005)
    assert found.params == pytest.approx(params, rel=0.005)


def test_names_and_shapes_of_parameters() -> None:
    state = ResNetCifar(depth=14).build(input_shape=CIFAR, classes=10).state_dict()
    convolution = {f"{part}.weight" for part in ("conv1", "conv2")}
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    block = convolution | {f"{part}.{tensor}" for part in ("bn1", "bn2") for tensor in norm}
    expected = {"conv1.weight", "linear.weight", "linear.bias", *(f"bn1.{tensor}" for tensor in norm)}
    expected |= {f"layer{stage}.{k}.{name}" for stage in (1, 2, 3) for k in (0, 1) for name in block}
    assert set(state) == expected
    assert state["layer3.0.conv1.weight"].shape == (64, 32, 3, 3)
    assert state["linear.weight"].shape == (10, 64)


def test_state_saved_before_batch_counters_existed_loads() -> None:
    network = ResNetCifar(depth=8).build(input_shape=CIFAR, classes=10)
    old = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    network.load_state_dict(old)


def test_shortcut_subsamples_and_pads_channels_on_both_sides() -> None:
    network = ResNetCifar(depth=8, width=4).build(input_shape=CIFAR, classes=10)
    x = torch.randn(2, 4, 5, 5)
    short = network.get_submodule("layer2.0.shortcut")(x)
    assert short.shape == (2, 8, 3, 3)
    torch.testing.assert_close(short[:, 2:6], x[:, :, ::2, ::2])
    assert not short[:, :2].any()
    assert not short[:, 6:].any()


@pytest.mark.parametrize("width", [3, 16])
@pytest.mark.parametrize("shape", [(1, 9, 7), CIFAR])
def test_any_width_and_image_size(width: int, shape: tuple[int, ...]) -> None:
    network = ResNetCifar(depth=8, width=width).build(input_shape=shape, classes=4)
    assert network(torch.randn(2, *shape)).shape == (2, 4)


def test_splits_compose_to_the_network() -> None:
    network = ResNetCifar(depth=14, width=4).build(input_shape=CIFAR, classes=10).eval()
    x = torch.randn(2, *CIFAR)
    parts = subnetworks_of(network, ["layer1", "layer2"], x)
    out = x
    for part in parts:
        out = part.module.eval()(out)
    torch.testing.assert_close(out, network(x))


def test_only_channels_inside_blocks_are_free() -> None:
    network = ResNetCifar(depth=14, width=4).build(input_shape=CIFAR, classes=10)
    parts = subnetworks_of(network, ["layer1", "layer2"], torch.zeros(2, *CIFAR))
    free = [[(group.name, group.size) for group in part.channels.groups] for part in parts]
    assert free == [[(f"layer{k}.{b}.conv1", 4 * 2 ** (k - 1)) for b in (0, 1)] for k in (1, 2, 3)]
    assert not any(part.channels.uncounted for part in parts)
    assert not any("not understood" in why for part in parts for why in part.channels.pinned.values())


def test_weights_are_drawn_as_he_et_al_do() -> None:
    torch.manual_seed(3)
    weight = ResNetCifar(depth=8).build(input_shape=CIFAR, classes=10).get_parameter("layer3.0.conv2.weight")
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("depth", [2, 7, 55, 18, -4, 1208])
def test_unknown_depths_are_refused_with_those_there_are(depth: int) -> None:
    with pytest.raises(ValidationError, match=rf"no CIFAR ResNet of depth {depth}: depths are 6n \+ 2, from 8"):
        ResNetCifar(depth=depth)
