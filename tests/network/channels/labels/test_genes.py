"""Which labels become genes, and what limits leave of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.errors import NetworkError
from emopms.network.channels.encoding import Encoding
from emopms.network.channels.limits import NO_LIMITS, Limits, LimitsError
from emopms.network.partition.divided_network import DividedNetwork, NoBoundaryError, divide_network
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of

from ...chains import Case, cases
from ...networks import IMAGES, Net, examples, pruned_copy, random_genome, randomise


def widths(network: nn.Module) -> dict[str, int]:
    """The number of output channels of each layer."""
    return {
        name: module.weight.shape[0]
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def limited(network: nn.Module, limits: Limits, **options: Any) -> SubNetwork:
    """A network made by hand as one sub-network."""
    return subnetworks_of(randomise(network, 0), [], IMAGES, limits=limits, **options)[0]


def assert_obeys(pruned: nn.Module, case: Case, limits: Limits) -> None:
    """The pruned network keeps what the limits say."""
    kept = widths(pruned)
    for name, width in widths(case.network).items():
        if limits.pattern_for(name):
            assert kept[name] == width, name
        assert kept[name] >= min(width, limits.min_channels), name
        assert width - kept[name] <= math.floor(limits.max_ratio * width + 1e-9), name


@st.composite
def limits_for(draw: st.DrawFn, layers: tuple[str, ...]) -> Limits:
    return Limits(
        keep=tuple(draw(st.lists(st.sampled_from(layers), max_size=2, unique=True))),
        min_channels=draw(st.integers(1, 4)),
        max_ratio=draw(st.sampled_from((0.3, 0.5, 0.8, 1.0))),
    )


@given(cases(), st.data())
@examples
def test_every_valid_genome_obeys_the_limits(case: Case, data: st.DataObject) -> None:
    (free,) = subnetworks_of(case.network, [], case.images, prune_residual=True)
    limits = data.draw(limits_for(free.channels.prunable))
    try:
        (sub,) = subnetworks_of(case.network, [], case.images, prune_residual=True, limits=limits)
    except LimitsError:
        assume(False)
    assert sub.channels.prunable == free.channels.prunable
    rng = np.random.default_rng(case.seed)
    importance = rng.random(sub.channels.genes)
    drawn = rng.random((3, sub.channels.genes)) < rng.random((3, 1))
    coding = Encoding(
        sub.channels, importance, widths=data.draw(st.booleans()), multiple=data.draw(st.sampled_from((1, 2)))
    )
    decoded = coding.decode(coding.encode(drawn))
    for genome in (*sub.repair(drawn, importance), *decoded, coding.least, sub.dense):
        pruned = pruned_copy(case.network, [sub], [genome])
        assert_obeys(pruned, case, limits)
        torch.testing.assert_close(sub.forward(case.images, genome), pruned(case.images))
    assert np.array_equal(sub.repair(decoded, importance), decoded), "a valid genome is left alone"


@given(cases(), st.data())
@examples
def test_the_whole_obeys_if_parts_and_boundaries_do(case: Case, data: st.DataObject) -> None:
    def divided_by(limits: Limits, *, boundaries: bool) -> DividedNetwork:
        return divide_network(
            case.network, case.points, case.images, prune_residual=True, prune_boundaries=boundaries, limits=limits
        )

    try:
        free, boundaries = divided_by(NO_LIMITS, boundaries=True), True
    except NoBoundaryError:
        free, boundaries = divided_by(NO_LIMITS, boundaries=False), False
    limits = data.draw(limits_for(free.channels.prunable))
    try:
        divided = divided_by(limits, boundaries=boundaries)
    except NetworkError:  # a part would have nothing to prune
        limits = Limits(max_ratio=max(limits.max_ratio, 0.5))
        divided = divided_by(limits, boundaries=boundaries)
    pruned = pruned_copy(case.network, divided.searched, [random_genome(sub, case.seed) for sub in divided.searched])
    assert_obeys(pruned, case, limits)
    (least,) = divided.whole.repair(
        np.zeros((1, divided.channels.genes), dtype=np.bool_), np.arange(divided.channels.genes, dtype=float)
    )
    assert_obeys(pruned_copy(case.network, [divided.whole], [least]), case, limits)


@given(cases())
@examples
def test_limits_that_demand_nothing_change_nothing(case: Case) -> None:
    (plain,) = subnetworks_of(case.network, [], case.images)
    (same,) = subnetworks_of(case.network, [], case.images, limits=NO_LIMITS)
    assert (same.channels.groups, same.channels.pinned) == (plain.channels.groups, plain.channels.pinned)
    assert same.channels.limited == ()


def stream() -> Net:
    """conv ``a``, and conv ``b`` and ``c`` around a sum with it."""

    def run(net: Any, x: Any) -> Any:
        x = net.a(x)
        return net.scores((x + net.c(net.b(x).relu())).mean((2, 3)))

    return Net(
        run,
        a=nn.Conv2d(2, 4, 1),
        b=nn.Conv2d(4, 6, 3, padding=1),
        c=nn.Conv2d(6, 4, 3, padding=1),
        scores=nn.Linear(4, 3),
    )


@pytest.mark.parametrize("kept", ["a", "c"])
def test_layers_tied_with_a_kept_layer_are_kept_and_say_why(kept: str) -> None:
    sub = limited(stream(), Limits(keep=(kept,)), prune_residual=True)
    assert [group.name for group in sub.channels.groups] == ["b"]
    other = {"a": "c", "c": "a"}[kept]
    assert sub.channels.pinned[kept] == f"'{kept}' under `genome: {{keep: …}}` matches it"
    assert sub.channels.pinned[other] == (
        f"it keeps the same channels as {kept}, which '{kept}' under `genome: {{keep: …}}` matches"
    )


def test_a_layer_that_could_not_be_pruned_keeps_its_own_reason() -> None:
    sub = limited(stream(), Limits(keep=("scores",)))
    assert sub.channels.pinned["scores"] == "it leaves the sub-network"
    assert "scores" not in sub.channels.prunable


def test_layers_with_too_few_channels_say_why() -> None:
    sub = limited(stream(), Limits(min_channels=4), prune_residual=True)
    assert [group.name for group in sub.channels.groups] == ["b"]
    assert sub.channels.pinned["a"] == "`genome: {min_channels: 4}` keeps all of its channels"
    (cover,) = sub.channels.limited
    assert (cover.bits.tolist(), cover.channels.tolist(), cover.least) == ([0, 1, 2, 3, 4, 5], [1] * 6, 4)


def test_nothing_left_to_prune_is_refused() -> None:
    for limits in (Limits(keep=("*",)), Limits(min_channels=6), Limits(max_ratio=0.1)):
        with pytest.raises(LimitsError, match="no channel that could be pruned") as caught:
            limited(stream(), limits, prune_residual=True)
        assert "`keep`, `min_channels` or `max_ratio`" in caught.value.remedy


def test_half_of_an_output_that_is_split_up_counts_for_the_layer_it_is_tied_with() -> None:
    """Layer ``b`` has only half of the channels of ``a``, and must keep enough of them by itself."""

    def run(net: Any, x: Any) -> Any:
        left, right = net.a(x).chunk(2, 1)
        return net.scores(torch.cat([left + net.b(x), right], 1).mean((2, 3)))

    network = Net(run, a=nn.Conv2d(2, 8, 1), b=nn.Conv2d(2, 4, 1), scores=nn.Linear(8, 3))
    sub = limited(network, Limits(min_channels=3), prune_residual=True)
    genomes = sub.repair(np.zeros((1, sub.channels.genes), dtype=np.bool_), np.arange(8.0)[: sub.channels.genes])
    pruned = widths(pruned_copy(network, [sub], list(genomes)))
    assert pruned["b"] >= 3
    assert pruned["a"] >= 3


def test_channels_of_a_grouped_convolution_are_counted_and_not_genes() -> None:
    network = Net(
        lambda net, x: net.scores(net.b(net.a(x)).relu().mean((2, 3))),
        a=nn.Conv2d(2, 8, 1),
        b=nn.Conv2d(8, 12, 3, groups=2),
        scores=nn.Linear(12, 3),
    )
    sub = limited(network, Limits(min_channels=5))
    least = sub.repair(np.zeros((1, sub.channels.genes), dtype=np.bool_), np.zeros(sub.channels.genes))[0]
    kept = widths(pruned_copy(network, [sub], [least]))
    assert (kept["a"], kept["b"]) == (6, 6), "one gene stands for a channel of each group"


@pytest.mark.slow
def test_boundaries_are_kept_by_the_layers_that_make_them() -> None:
    network = SmallResNet(widths=(4, 6, 8)).build(input_shape=(2, 6, 6), classes=3).double()
    images, points = IMAGES, ["stage1", "stage2"]
    free = divide_network(network, points, images, prune_boundaries=True)
    assert free.boundaries is not None
    first = free.boundaries.channels.groups[0]
    divided = divide_network(network, points, images, prune_boundaries=True, limits=Limits(keep=(first.name,)))
    assert divided.boundaries is not None
    assert first.name in divided.boundaries.channels.pinned
    assert divided.boundaries.channels.genes == free.boundaries.channels.genes - first.size
    names = tuple(group.name for group in free.boundaries.channels.groups)
    with pytest.raises(NoBoundaryError, match="keep") as caught:
        divide_network(network, points, images, prune_boundaries=True, limits=Limits(keep=names))
    assert "Loosen the limits" in caught.value.remedy
    with pytest.raises(LimitsError, match=r"matches 'stage9\.\*'"):
        divide_network(network, points, images, limits=Limits(keep=("stage9.*",)))
