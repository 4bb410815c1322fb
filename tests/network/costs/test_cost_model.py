from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import Tensor, nn

from emopms.network.channels.table import joined
from emopms.network.costs.cost_model import CostModel, count
from emopms.network.partition.subnetwork import subnetworks_of

from ..chains import Case, cases
from ..networks import IMAGES, Net, assert_prunes_well, examples, pruned_copy, random_genome, whole


@given(cases())
@examples
def test_predicted_costs_are_those_counted_after_surgery(case: Case) -> None:
    subnetworks = case.divided()
    genomes = case.genomes(subnetworks)
    pruned = count(pruned_copy(case.network, subnetworks, genomes), case.images)
    dense = count(case.network, case.images)
    pairs = list(zip(subnetworks, genomes, strict=True))
    both = [np.stack([genome, sub.dense]) for sub, genome in pairs]
    macs = sum(sub.costs.macs(population) for sub, population in zip(subnetworks, both, strict=True))
    params = sum(sub.costs.params(population) for sub, population in zip(subnetworks, both, strict=True))
    assert isinstance(macs, np.ndarray)
    assert isinstance(params, np.ndarray)
    assert macs.tolist() == [pruned.macs, dense.macs]
    assert params.tolist() == [pruned.params, dense.params]
    assert pruned.params < dense.params


def test_costs_by_hand() -> None:
    network = Net(
        lambda net, x: net.scores(net.norm(net.conv(x)).relu().flatten(1)),
        conv=nn.Conv2d(2, 4, 3, bias=False),
        norm=nn.BatchNorm2d(4),
        scores=nn.Linear(4 * 16, 3),
    )
    sub = whole(network)
    genomes = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0]], dtype=bool)
    kept = np.array([4, 2, 1])
    assert sub.costs.macs(genomes).tolist() == (kept * (2 * 9 * 16 + 16 * 3)).tolist()
    assert sub.costs.params(genomes).tolist() == (kept * (2 * 9 + 2 + 16 * 3) + 3).tolist()
    assert sub.costs.macs(genomes).dtype == np.int64


def test_whole_populations_cost_what_their_members_do() -> None:
    sub = whole(Net(lambda net, x: net.b(net.a(x)), a=nn.Conv2d(2, 6, 3), b=nn.Conv2d(6, 3, 1)))
    genomes = np.stack([random_genome(sub, seed) for seed in range(7)])
    assert sub.costs.macs(genomes).tolist() == [int(sub.costs.macs(genome[None])[0]) for genome in genomes]
    assert sub.costs.params(genomes[:0]).shape == (0,)


def test_large_counts_do_not_overflow() -> None:
    sub = whole(Net(lambda net, x: net.b(net.a(x)), a=nn.Conv2d(2, 6, 3), b=nn.Conv2d(6, 3, 1)))
    large = nn.Module()
    large.a, large.b = nn.Conv2d(2, 6, 2**20, bias=False, device="meta"), nn.Conv2d(6, 3, 1, bias=False, device="meta")
    assert CostModel(sub.channels, large).params(sub.dense[None]).tolist() == [12 * 2**40 + 18]


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Conv2d(4, 6, 3, stride=2), (4, 7, 7), 6 * 9 * 4 * 9),
        (nn.Conv2d(4, 8, 3, groups=4), (4, 6, 6), 8 * 16 * 9),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (4, 5, 5), 4 * 25 * 6 * 9),
        (nn.Conv1d(4, 2, 3), (4, 9), 2 * 7 * 4 * 3),
        (nn.Linear(5, 7), (5,), 35),
        (nn.Linear(5, 7), (3, 5), 105),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_macs_of_one_layer_for_one_input(layer: nn.Module, shape: tuple[int, ...], macs: int, batch: int) -> None:
    counted = count(layer, torch.zeros(batch, *shape))
    assert counted.macs == macs
    assert counted.params == sum(parameter.numel() for parameter in layer.parameters())


def test_what_is_made_of_constants_costs_the_same_for_any_number_of_images() -> None:
    """As biases of relative positions do: five positions go through two layers, whose result is added to each image."""
    network = Net(
        lambda net, x: net.scores(
            x.flatten(1)[:, :5] + net.out(net.hidden(torch.linspace(0, 1, 5).double()[:, None])).T
        ),
        hidden=nn.Linear(1, 4),
        out=nn.Linear(4, 1),
        scores=nn.Linear(5, 3),
    )
    sub = whole(network)
    assert [(group.name, group.size) for group in sub.channels.groups] == [("hidden", 4)]
    assert_prunes_well(network, sub)
    for images in (IMAGES, IMAGES[:1]):
        (sub,) = subnetworks_of(network, [], images)
        assert sub.costs.macs(sub.dense[None]).tolist() == [5 * 4 + 5 * 4 + 15] == [count(network, images).macs]


class _Pair(nn.Linear):
    """A layer, to PyTorch's mind, that has another one in it."""

    def __init__(self) -> None:
        super().__init__(4, 4)
        self.more = nn.Linear(4, 4)

    def forward(self, input: Tensor) -> Tensor:
        return self.more(super().forward(input))  # type: ignore[no-any-return]


def test_layers_inside_layers_are_predicted_for_one_input_too() -> None:
    network = Net(
        lambda net, x: net.scores(net.pair(net.a(x).flatten(2).mT).mean(1)),
        a=nn.Conv2d(2, 4, 1),
        pair=_Pair(),
        scores=nn.Linear(4, 3),
    )
    network = Net(lambda net, x: net.inner(net.e(net.d(x))), d=nn.Conv2d(2, 3, 1), e=nn.Conv2d(3, 2, 1), inner=network)
    sub = whole(network)
    layers = [(layer.name, layer.uses) for layer in sub.channels.layers if "pair" in layer.name]
    assert layers == [("inner.pair", 36), ("inner.pair.more", 36)]
    assert sub.costs.macs(sub.dense[None]).tolist() == [count(network, IMAGES).macs]


class _Attending(nn.Module):
    """An encoder layer, and learnt queries that attend to its tokens, which come first."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, kdim=8, vdim=8, add_zero_attn=True)
        self.queries = nn.Parameter(torch.rand(5, 1, 8))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.encoder(x).transpose(0, 1)
        queries = self.queries.expand(-1, x.shape[0], -1)
        return self.attention(queries, key=tokens, value=tokens, need_weights=False)[0].mean(0)  # type: ignore[no-any-return]


def test_projections_of_attention_are_counted_and_products_of_tokens_named() -> None:
    network = Net(
        lambda net, x: net.scores(net.attending(net.a(x).flatten(2).mT)),
        a=nn.Conv2d(2, 8, 1),
        attending=_Attending(),
        scores=nn.Linear(8, 3),
    )
    sub = whole(network)
    projections = {"attending.encoder.self_attn": 4 * 36 * 8 * 8, "attending.attention": (2 * 5 + 2 * 36) * 8 * 8}
    products = 2 * 36 * 36 * 8 + 2 * 5 * 37 * 8
    assert sub.channels.never_cut == projections
    assert sub.channels.uncounted_macs["MultiheadAttention"] == products
    assert "MultiheadAttention" in sub.channels.uncounted
    assert [group.name for group in sub.channels.groups] == ["attending.encoder.linear1"]
    counted = count(network, IMAGES)
    layers = 36 * 2 * 8 + 2 * 36 * 8 * 12 + 8 * 3
    assert counted.macs == layers + sum(projections.values())
    assert counted.uncounted == ("MultiheadAttention", "_Attending")
    assert counted.uncounted_macs == {"MultiheadAttention": products}
    assert_prunes_well(network, sub)
    both = joined([sub.channels, sub.channels])
    assert both.never_cut == projections
    assert both.uncounted_macs["MultiheadAttention"] == 2 * products


def test_products_in_the_forward_are_named_with_their_macs() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        q, k, v = net.qkv(x.flatten(2).transpose(1, 2)).chunk(3, -1)
        x = F.scaled_dot_product_attention(q, k, v) + (q @ k.transpose(1, 2)) @ v
        return F.linear(net.more(x).cumsum(1).mean(1), net.scores.weight)

    network = Net(run, qkv=nn.Linear(2, 12), more=nn.Linear(4, 4), scores=nn.Linear(4, 3))
    channels = whole(network).channels
    assert channels.uncounted == ("cumsum", "linear", "matmul", "scaled_dot_product_attention")
    assert channels.uncounted_macs == {
        "linear": 4 * 3,
        "matmul": 2 * 36 * 36 * 4,
        "scaled_dot_product_attention": 2 * 36 * 36 * 4,
    }


def test_layers_used_twice_cost_twice_and_weigh_once() -> None:
    network = Net(lambda net, x: net.conv(net.conv(x)), conv=nn.Conv2d(2, 2, 1))
    counted = count(network.double(), IMAGES)
    assert (counted.macs, counted.params) == (2 * 36 * 4, 6)


def test_counting_names_what_it_leaves_out_and_changes_nothing() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.scale

    network = nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4), nn.PReLU(4), nn.ReLU(), Scale()).double().train()
    frozen = network[2].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert count(network, IMAGES).uncounted == ("Scale",)
    assert network.training
    assert network[1].training
    assert not frozen.training
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert not any(module._forward_hooks for module in network.modules())


def test_grouped_and_transposed_convolutions_are_predicted_too() -> None:
    network = Net(
        lambda net, x: net.scores(net.up(net.deep(net.b(net.a(x)))).mean((2, 3))),
        a=nn.Conv2d(2, 4, 3, padding=1),
        b=nn.Conv2d(4, 4, 1),
        deep=nn.Conv2d(4, 8, 3, groups=4),
        up=nn.ConvTranspose2d(8, 2, 2, stride=2),
        scores=nn.Linear(2, 3),
    )
    sub = whole(network)
    assert sub.costs.macs(sub.dense[None]).tolist() == [count(network, IMAGES).macs]
