from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from emopms.network.inference.evaluator import Evaluator
from emopms.network.layers.attributes import resized_for, sizes_of, sync_sizes
from emopms.network.partition.subnetwork import subnetworks_of

from ..networks import pruned_copy, random_genome


@pytest.mark.parametrize(
    ("layer", "shapes", "sizes"),
    [
        (nn.Conv2d(4, 6, 3), {"weight": (5, 2, 3, 3)}, {"out_channels": 5, "in_channels": 2, "groups": 1}),
        (nn.Conv2d(4, 8, 3, groups=4), {"weight": (6, 1, 3, 3)}, {"out_channels": 6, "in_channels": 3, "groups": 3}),
        (nn.Conv2d(4, 8, 3, groups=2), {"weight": (6, 1, 3, 3)}, {"out_channels": 6, "in_channels": 2, "groups": 2}),
        (nn.Conv2d(1, 8, 3), {"weight": (6, 1, 3, 3)}, {"out_channels": 6, "in_channels": 1, "groups": 1}),
        (nn.ConvTranspose2d(4, 6, 3), {"weight": (3, 5, 3, 3)}, {"out_channels": 5, "in_channels": 3}),
        (nn.Linear(4, 6), {"weight": (5, 3)}, {"out_features": 5, "in_features": 3}),
        (nn.BatchNorm2d(4, affine=False), {"running_mean": (3,)}, {"num_features": 3}),
        (nn.BatchNorm2d(4, affine=False, track_running_stats=False), {}, {}),
        (nn.GroupNorm(2, 4), {"weight": (2,)}, {"num_channels": 2, "num_groups": 2}),
        (nn.GroupNorm(4, 4), {"weight": (3,)}, {"num_channels": 3, "num_groups": 3}),
        (nn.LayerNorm([4, 2]), {"weight": (3, 2)}, {"normalized_shape": (3, 2)}),
        (nn.PReLU(4), {"weight": (3,)}, {"num_parameters": 3}),
        (nn.ReLU(), {}, {}),
    ],
)
def test_sizes_follow_the_shapes(layer: nn.Module, shapes: dict[str, Any], sizes: dict[str, Any]) -> None:
    assert sizes_of(layer, shapes) == sizes


def test_a_pruned_depthwise_layer_can_be_pruned_again() -> None:
    layer = nn.Conv2d(6, 12, 3, groups=6)
    for kept in (4, 2, 1):
        layer.weight = nn.Parameter(torch.ones(2 * kept, 1, 3, 3))
        sync_sizes(layer)
        assert (layer.in_channels, layer.out_channels, layer.groups) == (kept, 2 * kept, kept)


def test_sizes_follow_for_a_while() -> None:
    depthwise, norm = nn.Conv2d(4, 4, 3, groups=4), nn.LayerNorm(4)
    network = nn.Sequential(depthwise, norm)
    before = repr(network)
    smaller = resized_for(network, {"0.weight": torch.ones(2, 1, 3, 3), "1.weight": torch.ones(2)})
    with smaller:
        assert (depthwise.groups, norm.normalized_shape) == (2, (2,))
    assert repr(network) == before


def test_sizes_come_back_where_a_forward_fails() -> None:
    network = nn.Sequential(nn.LayerNorm(4))
    with pytest.raises(RuntimeError), resized_for(network, {"0.weight": torch.ones(2)}):
        network(torch.ones(1, 4))
    assert repr(network) == repr(nn.Sequential(nn.LayerNorm(4)))


def _alike(layers: list[nn.Module]) -> nn.Module:
    """A convolution, and behind it two layers that share their weight."""
    layers[1].weight = layers[0].weight
    last = [nn.Flatten(), nn.Linear(6, 3)]
    return nn.Sequential(nn.Conv2d(3, 6, 1), layers[0], nn.ReLU(), layers[1], nn.AdaptiveAvgPool2d(1), *last).eval()


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Conv2d(6, 6, 3, padding=1, groups=6)],
        [nn.GroupNorm(6, 6), nn.GroupNorm(6, 6)],
    ],
)
def test_sizes_follow_in_layers_that_share_a_parameter(layers: list[nn.Module]) -> None:
    network, images = _alike(layers), torch.randn(2, 3, 4, 4)
    (sub,) = subnetworks_of(network, [], images)
    genome = random_genome(sub, 0)
    assert not genome.all()
    with torch.no_grad():
        expected = pruned_copy(network, [sub], [genome])(images)
        torch.testing.assert_close(sub.forward(images, genome), expected)
        torch.testing.assert_close(Evaluator(sub).run(images, genome), expected)
