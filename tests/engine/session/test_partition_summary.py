"""The summary of a divided network."""

from __future__ import annotations

import math

import pytest
import torch

from emopms.engine.session.partition_summary import Size, size_of
from emopms.network.channels.surgery import pruned_state
from emopms.network.costs.cost_model import count
from tests.engine.contexts import tiny_context, tiny_parts


def test_blocks_are_the_outermost_modules_inside_a_part() -> None:
    assert [part.blocks for part in tiny_parts()] == [("stem", "stage1"), ("stage2",), ("stage3", "head")]
    backbone = {"name": "resnet_cifar", "depth": 14, "width": 4}
    inner = tiny_parts(backbone=backbone, split=["layer2.0"])
    assert inner[0].blocks == ("conv1", "bn1", "layer1", "layer2.0")
    assert inner[1].blocks == ("layer2.1", "layer3", "pool", "linear")
    (whole,) = tiny_parts(split=[], constraint="none")
    assert whole.blocks == ("stem", "stage1", "stage2", "stage3", "head")


def test_boundaries_name_the_blocks_before_the_splits() -> None:
    *parts, boundaries = tiny_parts(genome={"prune_boundaries": True}, constraint="none")
    assert boundaries.name == "boundaries"
    assert boundaries.blocks == ("stage1", "stage2")
    assert boundaries.features == 8 * 8 + 10, "the whole network: images and class scores"
    assert "leaves the sub-network" in tiny_parts()[0].pinned["stem.0"]
    assert all("stem.0" not in part.pinned for part in parts), "the search of the boundaries can prune it"


@pytest.mark.slow
def test_a_kept_layer_at_a_boundary_has_one_reason() -> None:
    parts = tiny_parts(genome={"prune_boundaries": True, "keep": ["stem.*"]}, constraint="none")
    assert [part.pinned["stem.0"] for part in parts if "stem.0" in part.pinned] == [
        "'stem.*' under `genome: {keep: …}` matches it"
    ]


def test_sizes_add_up_to_those_of_the_network() -> None:
    parts, context = tiny_parts(), tiny_context()
    counted = count(context.random_network(), torch.zeros(2, 1, 8, 8))
    assert sum(part.dense.macs for part in parts) == counted.macs
    assert sum(part.dense.params for part in parts) == counted.params
    assert all(0 < part.least.macs < part.dense.macs for part in parts)


def test_a_size_is_that_of_the_pruned_network() -> None:
    context = tiny_context()
    divided = context.divide(context.random_network())
    least = context.encoding(divided.whole).least
    pruned = context.network(pruned_state(divided.network, [(divided.channels, least)]))
    counted = count(pruned, context.example)
    assert size_of(divided.costs, least) == Size(counted.macs, counted.params)


@pytest.mark.parametrize(("genome", "space"), [({}, 2**8 - 1), ({"coding": "widths"}, 8), ({"channel_multiple": 4}, 3)])
def test_the_space_is_that_of_the_encoding(genome: dict[str, object], space: int) -> None:
    first = tiny_parts(genome=genome)[0]
    assert (first.genes, first.groups) == (8, 1)
    assert first.log10_space == pytest.approx(math.log10(space))
