from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from pydantic import ValidationError

from emopms.builtin.backbone.resnet import ResNet
from emopms.network.costs.cost_model import count
from emopms.network.partition.subnetwork import subnetworks_of

if TYPE_CHECKING:
    from torch import nn

IMAGENET = (3, 224, 224)


def _built(depth: int) -> nn.Module:
    return ResNet.model_validate({"depth": depth}).build(input_shape=IMAGENET, classes=1000)


@pytest.mark.parametrize(
    ("depth", "params", "macs"), [(18, 11_689_512, 1.814e9), (34, 21_797_672, 3.664e9), (50, 25_557_032, 4.09e9)]
)
def test_costs_are_the_published_ones(depth: int, params: int, macs: float) -> None:
    found = count(_built(depth), torch.zeros(2, *IMAGENET))
    assert found.params == params
    assert found.macs == pytest.approx(macs, rel=0.005)


def _norm(path: str, channels: int) -> dict[str, tuple[int, ...]]:
    sized = dict.fromkeys((f"{path}.{name}" for name in ("weight", "bias", "running_mean", "running_var")), (channels,))
    return {**sized, f"{path}.num_batches_tracked": ()}


def _torchvision(depth: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes in torchvision's checkpoints, written down from its documentation of the architecture."""
    blocks, expansion = {18: ((2, 2, 2, 2), 1), 34: ((3, 4, 6, 3), 1), 50: ((3, 4, 6, 3), 4)}[depth]
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7), **_norm("bn1", 64)}
    incoming = 64
    for stage, repeats in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(repeats):
            path = f"layer{stage + 1}.{block}"
            sizes = (
                [(width, incoming, 3, 3), (width, width, 3, 3)]
                if expansion == 1
                else [(width, incoming, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)]
            )
            for number, size in enumerate(sizes, start=1):
                shapes |= {f"{path}.conv{number}.weight": size, **_norm(f"{path}.bn{number}", size[0])}
            outgoing = expansion * width
            if block == 0 and (stage or expansion > 1):
                shapes |= {f"{path}.downsample.0.weight": (outgoing, incoming, 1, 1)}
                shapes |= _norm(f"{path}.downsample.1", outgoing)
            incoming = outgoing
    return {**shapes, "fc.weight": (1000, incoming), "fc.bias": (1000,)}


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_names_and_shapes_are_torchvisions(depth: int) -> None:
    state = _built(depth).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == _torchvision(depth)


@pytest.mark.slow
def test_the_stem_and_channels_inside_blocks_are_free() -> None:
    network = ResNet(depth=50).build(input_shape=(3, 32, 32), classes=10)
    (whole,) = subnetworks_of(network, [], torch.zeros(2, 3, 32, 32))
    blocks = [f"layer{stage}.{block}" for stage, count in ((1, 3), (2, 4), (3, 6), (4, 3)) for block in range(count)]
    inside = [f"{block}.{convolution}" for block in blocks for convolution in ("conv1", "conv2")]
    assert [group.name for group in whole.channels.groups] == ["conv1", *inside]


def test_the_3x3_convolution_of_a_bottleneck_has_the_stride() -> None:
    block = ResNet(depth=50).build(input_shape=IMAGENET, classes=1000).get_submodule("layer2.0")
    strides = [module.stride for _, module in block.named_children() if isinstance(module, torch.nn.Conv2d)]
    assert strides == [(1, 1), (2, 2), (1, 1)]


@pytest.mark.parametrize("depth", [20, 101, "50"])
def test_other_depths_are_refused(depth: object) -> None:
    with pytest.raises(ValidationError, match="18, 34 or 50"):
        ResNet.model_validate({"depth": depth})
