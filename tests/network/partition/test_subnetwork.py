from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from emopms.errors import NetworkError
from emopms.network.channels.labels import channels_of
from emopms.network.inference.evaluator import Evaluator
from emopms.network.partition.divide import divide
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of

from ..chains import Case, cases
from ..networks import IMAGES, Net, chained, examples, gradients, pruned_copy, random_genome, randomise, whole

if TYPE_CHECKING:
    from collections.abc import Callable


@given(cases())
@examples
def test_gradients_are_those_of_the_zeroed_network(case: Case) -> None:
    subnetworks = case.divided()
    genomes = case.genomes(subnetworks)
    with case.zeroed(subnetworks, genomes):
        expected = gradients(case.network, case.network(case.images))
    found = gradients(case.network, chained(subnetworks, genomes, case.images))
    torch.testing.assert_close(found, expected)
    for sub, genome in zip(subnetworks, genomes, strict=True):
        for group in sub.channels.groups:
            dropped = found[f"{group.name}.weight"][~genome[group.genes]]
            assert not dropped.count_nonzero()


@given(cases())
@examples
def test_statistics_of_batch_norms_that_lose_channels_do_not_move(case: Case) -> None:
    subnetworks = case.divided()
    genomes = case.genomes(subnetworks)
    state = case.network.train().state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    chained(subnetworks, genomes, case.images)
    for sub, genome in zip(subnetworks, genomes, strict=True):
        for name, buffer in sub.module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                genes = sub.channels.dims.get(name, {}).get(0, np.array([-1]))
                loses = not np.append(genome, True)[genes].all()
                assert torch.equal(buffer, before[name]) == loses, name


@given(cases())
@examples
def test_batch_statistics_are_those_of_the_pruned_network_in_training(case: Case) -> None:
    subnetworks = case.divided()
    genomes = case.genomes(subnetworks)
    expected = pruned_copy(case.network, subnetworks, genomes).train()(case.images)
    features = case.images
    for sub, genome in zip(subnetworks, genomes, strict=True):
        features = Evaluator(sub).run(features, genome)
    torch.testing.assert_close(features, expected)


@given(cases(), st.integers(0, 100))
@examples
def test_repair_keeps_a_channel_of_every_group(case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for sub in case.divided():
        genomes, importance = rng.random((5, sub.channels.genes)) < 0.3, rng.random(sub.channels.genes)
        given_ones = genomes.copy()
        repaired = sub.repair(genomes, importance)
        np.testing.assert_array_equal(genomes, given_ones)
        np.testing.assert_array_equal(sub.repair(repaired, importance), repaired)
        for group in sub.channels.groups:
            for before, after in zip(genomes[:, group.genes], repaired[:, group.genes], strict=True):
                best = int(importance[group.genes].argmax())
                expected = before if before.any() else np.arange(group.size) == best
                np.testing.assert_array_equal(after, expected)


def two_layers(**extra: nn.Module) -> Net:
    return Net(
        lambda net, x: net.b(net.norm(net.a(x)).relu()),
        a=nn.Conv2d(2, 4, 3),
        norm=nn.BatchNorm2d(4),
        b=nn.Conv2d(4, 3, 1),
        **extra,
    )


GENOME = np.array([True, False, True, False])


@pytest.mark.parametrize(
    "operation", [nn.ReLU(inplace=True), nn.Hardswish(inplace=True), Net(lambda net, x: x.add_(1))]
)
def test_a_part_that_starts_in_place_leaves_its_input_alone(operation: nn.Module) -> None:
    """Features are computed once and kept: as input of one part, and as reference of the one before."""
    network = Net(
        lambda net, x: net.d(net.c(net.op(net.b(net.a(x))))),
        a=nn.Conv2d(2, 4, 1),
        b=nn.Conv2d(4, 4, 1),
        op=operation,
        c=nn.Conv2d(4, 4, 1),
        d=nn.Conv2d(4, 3, 1),
    )
    randomise(network, 0)
    sub = subnetworks_of(network, ["b"], IMAGES)[1]
    features = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    before = features.clone()
    Evaluator(sub).run(features, GENOME)
    torch.testing.assert_close(features, before, rtol=0, atol=0)
    with torch.no_grad():
        sub.forward(features, GENOME)
    torch.testing.assert_close(features, before, rtol=0, atol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_flattening_by_view_works_in_any_memory_layout(layout: torch.memory_format) -> None:
    """``x.view(x.size(0), -1)`` needs a contiguous tensor, which channels-last features are not."""

    def run(net: Any, x: Any) -> Any:
        x = net.b(net.a(x))
        return net.scores(x.view(x.size(0), -1))

    network = Net(
        run,
        a=nn.Conv2d(2, 4, 3, padding=1),
        b=nn.Conv2d(4, 4, 3, padding=1),
        scores=nn.Linear(4 * 36, 3),
    )
    sub = whole(network)
    genome = np.tile(GENOME, 2)
    expected = sub.forward(IMAGES.contiguous(), genome)
    images = IMAGES.contiguous(memory_format=layout)
    torch.testing.assert_close(Evaluator(sub).run(images, genome), expected)
    torch.testing.assert_close(sub.forward(images, genome), expected)


def test_without_a_genome_the_subnetwork_is_dense() -> None:
    sub = whole(two_layers())
    torch.testing.assert_close(sub.forward(IMAGES), sub.module(IMAGES), rtol=0, atol=0)
    torch.testing.assert_close(sub.forward(IMAGES, sub.dense), sub.module(IMAGES), rtol=0, atol=0)
    torch.testing.assert_close(Evaluator(sub, batch_statistics=False).run(IMAGES, sub.dense), sub.module(IMAGES))


def test_places_and_shapes() -> None:
    network = Net(
        lambda net, x: net.scores(net.two(net.one(x)).flatten(1)),
        one=nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 5, 1)),
        two=nn.Sequential(nn.Conv2d(5, 4, 3), nn.Conv2d(4, 6, 1)),
        scores=nn.Linear(24, 3),
    ).double()
    subnetworks = subnetworks_of(network, ["one"], IMAGES)
    assert [sub.index for sub in subnetworks] == [0, 1]
    assert [sub.is_last for sub in subnetworks] == [False, True]
    assert [sub.output_shape for sub in subnetworks] == [(5, 4, 4), (3,)]
    assert [sub.dense.tolist() for sub in subnetworks] == [[True] * 4, [True] * 10]


def test_a_part_with_nothing_to_prune_is_refused_with_the_reasons() -> None:
    network = Net(
        lambda net, x: net.c(net.b(net.stem(x))),
        stem=nn.Conv2d(2, 4, 1),
        b=nn.Conv2d(4, 4, 1),
        c=nn.Conv2d(4, 3, 1),
    ).double()
    with pytest.raises(NetworkError, match="Sub-network 1 of 2 has no channel") as caught:
        subnetworks_of(network, ["stem"], IMAGES)
    assert "stem: it leaves the sub-network" in caught.value.message
    assert "split point" in caught.value.remedy


def test_a_layer_on_both_sides_of_a_split_is_refused() -> None:
    def run(net: Any, x: Any) -> Any:
        return net.c(net.shared(net.b(net.shared(net.a(x)))))

    network = Net(
        run, a=nn.Conv2d(2, 4, 1), shared=nn.Conv2d(4, 4, 1), b=nn.Conv2d(4, 4, 1), c=nn.Conv2d(4, 3, 1)
    ).double()
    with pytest.raises(NetworkError, match=r"'shared\.weight' is used on both sides") as caught:
        subnetworks_of(network, ["b"], IMAGES)
    assert "share parameters" in caught.value.remedy


def test_a_weight_on_both_sides_of_a_split_is_refused() -> None:
    network = Net(
        lambda net, x: net.d(net.c(net.b(net.a(x)))),
        a=nn.Conv2d(2, 4, 1),
        b=nn.Conv2d(4, 4, 1),
        c=nn.Conv2d(4, 4, 1),
        d=nn.Conv2d(4, 3, 1),
    ).double()
    network.get_submodule("c").weight = network.get_submodule("b").weight
    with pytest.raises(NetworkError, match=r"\.weight' is used on both sides"):
        subnetworks_of(network, ["b"], IMAGES)


def test_no_layer_is_left_without_channels() -> None:
    """A layer used twice ties one layer of eight channels to two layers of four."""
    network = Net(
        lambda net, x: net.scores(
            torch.cat([net.c(net.a(x)), net.c(torch.cat([net.b(x), net.d(x)], 1))], 1).mean((2, 3))
        ),
        a=nn.Conv2d(2, 4, 1),
        b=nn.Conv2d(2, 2, 1),
        d=nn.Conv2d(2, 2, 1),
        c=nn.Conv2d(4, 4, 1),
        scores=nn.Linear(8, 3),
    )
    sub = whole(network)
    genome = sub.dense
    genome[:3] = False
    repaired = sub.repair(genome[None], np.ones(len(genome)))[0]
    assert sub.forward(IMAGES, repaired).shape == (3, 3)


def test_random_genomes_of_these_tests_are_valid() -> None:
    def valid(sub: SubNetwork, seed: int) -> bool:
        genome = random_genome(sub, seed)
        return not genome.all() and all(genome[group.genes].any() for group in sub.channels.groups)

    sub = whole(two_layers())
    assert all(valid(sub, seed) for seed in range(20))


def maps(c: int) -> nn.Module:
    return Net(lambda net, x: net.head(net.conv(x).mean((2, 3))), conv=nn.Conv2d(2, c, 1), head=nn.Linear(c, 3))


def tokens(c: int) -> nn.Module:
    """Of [N, 36, 2], channels-last after the first layer."""
    first = nn.Linear(2, c)
    return Net(lambda net, x: net.head(net.conv(x.flatten(2).mT).mean(1)), conv=first, head=nn.Linear(c, 3))


def channels_last(c: int) -> nn.Module:
    first, head = nn.Linear(2, c), nn.Linear(c, 3)
    return Net(lambda net, x: net.head(net.conv(x.permute(0, 2, 3, 1)).mean((1, 2))), conv=first, head=head)


def transposed_back(c: int) -> nn.Module:
    """As in ConvNeXt: linear layers inside, maps outside."""
    first, head = nn.Sequential(nn.Linear(2, c), _ToMaps()), nn.Linear(c, 3)
    return Net(lambda net, x: net.head(net.conv(x.permute(0, 2, 3, 1)).mean((2, 3))), conv=first, head=head)


class _ToMaps(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("make", "width", "dim"),
    [(maps, 5, 1), (maps, 6, 1), (tokens, 5, 2), (tokens, 36, 2), (channels_last, 6, 3), (transposed_back, 5, 1)],
)
def test_where_the_channels_are(make: Callable[[int], nn.Module], width: int, dim: int) -> None:
    part = divide(make(width).double(), ["conv"], IMAGES)[0]
    assert SubNetwork(0, 2, part, channels_of(part)).channel_dim == dim
