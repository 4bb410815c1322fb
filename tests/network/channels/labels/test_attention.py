"""Heads of attention: dropped as a whole, or pinned with the reason."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from emopms.errors import NetworkError
from emopms.network.channels.limits import Limits, LimitsError
from emopms.network.channels.surgery import fit_to, pruned_state
from emopms.network.costs.cost_model import count
from emopms.network.inference.evaluator import Evaluator
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of
from tests.examples import scaled

from ...networks import pruned_copy, random_genome
from ...zoo import Recipe, build, images

if TYPE_CHECKING:
    from collections.abc import Callable

variants = st.integers(0, 7)
TOKENS = torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(0))


class Attention(nn.Module):
    """Three heads of width four over tokens [N, L, 12], from a function that does the reshaping."""

    num_heads: int

    def __init__(self, run: Callable[[Any, Tensor, Tensor, Tensor], Tensor], **numbers: int) -> None:
        super().__init__()
        vars(self).update(numbers or {"num_heads": 3})
        self.q, self.k, self.v, self.proj = (nn.Linear(12, 12) for _ in range(4))
        self._run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self._run(self, self.q(x), self.k(x), self.v(x)))  # type: ignore[no-any-return]

    def divided(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.num_heads, -1).transpose(1, 2)


def attend(net: Any, q: Tensor, k: Tensor, v: Tensor, **settings: Any) -> Tensor:
    y = F.scaled_dot_product_attention(*map(net.divided, (q, k, v)), **settings)
    return y.transpose(1, 2).flatten(2)


def whole(network: nn.Module) -> SubNetwork:
    return subnetworks_of(network.eval(), [], TOKENS)[0]


@pytest.mark.parametrize(
    ("limits", "heads"),
    [(Limits(), 1), (Limits(min_channels=5), 2), (Limits(max_ratio=0.7), 1), (Limits(max_ratio=0.5), 2)],
)
def test_limits_count_the_channels_of_heads(limits: Limits, heads: int) -> None:
    network = nn.Sequential(Attention(attend)).eval()
    (sub,) = subnetworks_of(network, [], TOKENS, limits=limits)
    least = sub.repair(np.zeros((1, sub.channels.genes), dtype=np.bool_), np.arange(3.0))
    assert least.sum() == heads
    pruned = pruned_copy(network, [sub], list(least))
    assert [len(layer.weight) for layer in (pruned[0].q, pruned[0].k, pruned[0].v)] == 3 * [4 * heads]  # type: ignore[index]


def test_all_heads_are_kept_if_none_may_go() -> None:
    with pytest.raises(LimitsError, match=r"`genome: \{min_channels: 9\}` keeps all of its channels"):
        subnetworks_of(nn.Sequential(Attention(attend)).eval(), [], TOKENS, limits=Limits(min_channels=9))


def reasons(network: nn.Module) -> dict[str, str]:
    """Of a network in which nothing else is free, with a perceptron behind it that is."""
    pinned = dict(whole(nn.Sequential(network, nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2))).channels.pinned)
    return {name.removeprefix("0."): why for name, why in pinned.items()}


@given(st.sampled_from([4, 8, 12]), variants, variants, variants, st.integers(0, 2**16))
@settings(max_examples=scaled(60))
def test_a_dropped_head_is_one_that_the_projection_does_not_read(
    width: int, norm: int, how: int, other: int, seed: int
) -> None:
    recipe: Recipe = [["Heads", width, norm, how, other]]
    dense = build(recipe, seed)
    (sub,) = subnetworks_of(dense, [], images(seed))
    (group,) = (group for group in sub.channels.groups if group.name.startswith("blocks.0.q"))
    block: Any = dense.get_submodule("blocks.0")
    assert group.size == block.num_heads
    genome = sub.dense
    genome[group.genes] = random_genome(sub, seed)[group.genes]
    pruned: Any = pruned_copy(dense, [sub], [genome])
    masked: Any = copy.deepcopy(dense)
    with torch.no_grad():
        kept = torch.from_numpy(genome[group.genes]).repeat_interleave(block.head_dim)
        masked.get_parameter("blocks.0.proj.weight").mul_(kept)
        expected = masked(images(seed))
        evaluated = Evaluator(sub).run(images(seed), genome)
        for found in (sub.forward(images(seed), genome), evaluated, pruned(images(seed))):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    heads = int(genome[group.genes].sum())
    cut = pruned.get_submodule("blocks.0")
    assert (cut.num_heads, cut.head_dim, cut.attn_dim) == (heads, block.head_dim, heads * block.head_dim)
    assert (block.num_heads, block.attn_dim) == (group.size, group.size * block.head_dim)
    assert sub.costs.macs(genome[None]).tolist() == [count(pruned, images(seed)).macs]


@pytest.mark.parametrize("how", [0, 5])
@pytest.mark.parametrize("norm", [1, 3, 5])
def test_a_network_with_fewer_heads_is_exported(how: int, norm: int) -> None:
    dense = build([["Heads", 8, norm, how, 3 - how % 2]], 0)
    (sub,) = subnetworks_of(dense, [], images(0))
    genome = random_genome(sub, 1)
    pruned = pruned_copy(dense, [sub], [genome])
    assert pruned.get_submodule("blocks.0").num_heads != dense.get_submodule("blocks.0").num_heads
    exported = torch.export.export(pruned, (images(0),)).module()
    torch.testing.assert_close(exported(images(0)), pruned(images(0)))


def test_heads_on_both_sides_of_a_split_are_dropped_apart() -> None:
    dense = build([["Heads", 8, 1, 0, 1], ["Heads", 8, 3, 1, 0]], 0)
    subnetworks = subnetworks_of(dense, ["blocks.0"], images(0))
    genomes = [random_genome(sub, 5) for sub in subnetworks]
    pruned = pruned_copy(dense, subnetworks, genomes)
    expected = subnetworks[1].forward(subnetworks[0].forward(images(0), genomes[0]), genomes[1])
    torch.testing.assert_close(pruned(images(0)), expected, rtol=1e-4, atol=1e-5)
    genes = [group.genes for sub in subnetworks for group in sub.channels.groups[:1]]
    left: list[Any] = [pruned.get_submodule(f"blocks.{index}").num_heads for index in (0, 1)]
    assert left == [genome[run].sum() for genome, run in zip(genomes, genes, strict=True)]


def test_at_least_one_head_stays() -> None:
    sub = whole(Attention(attend))
    empty = np.zeros((1, sub.channels.genes), dtype=np.bool_)
    assert sub.repair(empty, np.arange(float(sub.channels.genes))).sum() == 1


def test_a_network_with_fewer_heads_loses_more_of_them() -> None:
    network = Attention(attend)
    for heads in (2, 1):
        sub = whole(network)
        (group,) = sub.channels.groups
        assert group.size == heads + 1
        fit_to(network, pruned_state(network, [(sub.channels, np.arange(group.size) > 0)]))
        assert (network.num_heads, network.proj.in_features) == (heads, 4 * heads)


class OneProjection(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Attention(attend), Attention(attend)
        self.second.proj = self.first.proj

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + self.second(x)  # type: ignore[no-any-return]


def test_two_modules_with_one_projection_lose_the_same_heads() -> None:
    sub = whole(network := OneProjection())
    genome = np.array([True, False, True])
    pruned: Any = pruned_copy(network, [sub], [genome])
    assert (pruned.first.num_heads, pruned.second.num_heads) == (2, 2)
    torch.testing.assert_close(sub.forward(TOKENS, genome), pruned(TOKENS))


def test_a_network_that_is_one_attention_module() -> None:
    sub = whole(network := Attention(attend))
    genome = np.array([True, False, True])
    torch.testing.assert_close(sub.forward(TOKENS, genome), pruned_copy(network, [sub], [genome])(TOKENS))


def by_width(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (x.reshape(*x.shape[:2], 3, net.num_heads).permute(0, 3, 1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).permute(0, 2, 3, 1).flatten(2)


def test_heads_that_lie_across_each_other_stay() -> None:
    """The projection's columns are not runs of one head each: what is tied then is more than a head."""
    network = Attention(by_width, num_heads=4)
    (group,) = whole(nn.Sequential(network, nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2))).channels.groups[:1]
    assert (group.name, group.size) == ("0.q", 1)


def divided_by_number(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (x.reshape(*x.shape[:2], net.num_heads, 12 // net.num_heads).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def joined_by_number(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    y = F.scaled_dot_product_attention(*map(net.divided, (q, k, v)))
    return y.transpose(1, 2).reshape(*q.shape[:2], 12)


def branching(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(net, q, k, v) * (2 if net.num_heads > 2 else 1)


def one_by_one(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = map(net.divided, (q, k, v))
    return torch.cat([(q[:, i] @ k[:, i].mT).softmax(-1) @ v[:, i] for i in range(net.num_heads)], -1)


def averaged(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    y = F.scaled_dot_product_attention(*map(net.divided, (q, k, v)))
    return (y - y.mean(1, keepdim=True)).transpose(1, 2).flatten(2)


def scaled_by_number(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(net, q / net.num_heads, k, v)


def looked_up(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(net, q, k, v) * {3: 2.0}[net.num_heads]


def written(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    net.num_heads = 3
    return attend(net, q, k, v)


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (divided_by_number, "it meets floordiv, which computes with a number of heads"),
        (joined_by_number, "it meets reshape, which takes its width as a number"),
        (branching, "it meets gt, this use of which is not understood here"),
        (one_by_one, "the forward branches on number_of_heads"),
        (averaged, "it meets mean, this use of which is not understood here"),
        (scaled_by_number, "it meets truediv, this use of which is not understood here"),
        (looked_up, "the forward branches on number_of_heads"),
        (written, "the forward branches on number_of_heads"),
    ],
)
def test_heads_that_the_forward_would_miss_are_pinned(run: Callable[..., Tensor], why: str) -> None:
    pinned = reasons(Attention(run))
    assert "v" in pinned
    assert why in pinned.values()


def unflattened(net: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = (x.unflatten(-1, (net.num_heads, 4)).transpose(1, 2) for x in (q, k, v))  # type: ignore[no-untyped-call]
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)


class Outside(nn.Module):
    """It runs an attention's layers itself, with the attention's own number or, worse, with one of its own."""

    def __init__(self, attention: nn.Module, number: int) -> None:
        super().__init__()
        self.attention, self.number = attention, number

    def forward(self, x: Tensor) -> Tensor:
        net: Any = self.attention
        q, k, v = (layer(x).reshape(x.shape[0], 5, -1, 4).transpose(1, 2) for layer in (net.q, net.k, net.v))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return net.proj(y) * (self.number or net.num_heads)  # type: ignore[no-any-return]


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention(unflattened)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(self.attention(x))  # type: ignore[no-any-return]


@pytest.mark.parametrize("network", [Attention(unflattened), Twice(), Outside(Attention(attend), 3)])
def test_heads_that_are_understood_however_they_are_written(network: nn.Module) -> None:
    sub = whole(network)
    genome = np.array([False, True, True])
    pruned: Any = pruned_copy(network, [sub], [genome])
    torch.testing.assert_close(sub.forward(TOKENS, genome), pruned(TOKENS))
    assert getattr(pruned, "attention", pruned).num_heads == 2


def test_a_number_is_known_wherever_it_is_read() -> None:
    network = Outside(Attention(attend), 0)
    with pytest.raises(NetworkError, match="it meets mul"):
        whole(network)


def test_multi_head_attention_of_pytorch_is_pinned() -> None:
    layer = nn.TransformerEncoderLayer(12, 3, 8, batch_first=True, dropout=0.0)
    sub = whole(network := nn.Sequential(nn.Linear(12, 12), layer))
    assert [group.name for group in sub.channels.groups] == ["1.linear1"]
    genome = random_genome(sub, 0)
    with torch.no_grad():
        torch.testing.assert_close(sub.forward(TOKENS, genome), pruned_copy(network, [sub], [genome])(TOKENS))
    why = "it meets MultiheadAttention, which divides the width of what it reads among its heads"
    assert sub.channels.pinned["0"] == why


@pytest.mark.parametrize("each", [False, True])
def test_a_mask_is_for_all_heads_or_for_each(each: bool) -> None:
    mask = torch.randn(1, 3 if each else 1, 5, 5)
    network = Attention(lambda net, q, k, v: attend(net, q, k, v, attn_mask=mask))
    assert reasons(network).get("v") == ("it belongs to something that is no channel" if each else None)


def test_heads_are_as_they_were_after_a_trace() -> None:
    network = Attention(attend)
    before = list(vars(network))
    whole(network)
    assert set(vars(network)) == set(before)
    assert network.num_heads == 3
    assert not list(network.named_buffers())
