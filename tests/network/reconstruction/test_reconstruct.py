"""Networks before and after reconstruction: what is exact, what stays, and that no layer gets worse."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from emopms.network.partition.divided_network import DividedNetwork, divide_network
from emopms.network.reconstruction import least_squares
from emopms.network.reconstruction import reconstruct as module
from emopms.network.reconstruction.reconstruct import reconstruct
from tests.examples import scaled

from ..networks import Net, pruned_copy, random_genome
from ..zoo import KINDS, Recipe, build, images, recipes

if TYPE_CHECKING:
    from emopms.network.reconstruction.part import Part

    from ..networks import Genome

NO_SHRINKING = (Phase.explicit, Phase.generate)
"""Recipes are short, and every try solves a network: a failure is told at once."""


def divided(network: nn.Module, example: Tensor) -> DividedNetwork:
    return divide_network(network, [], example, prune_residual=False)


def solved(dense: DividedNetwork, genome: Genome, x: Tensor) -> tuple[nn.Module, nn.Module]:
    """The pruned network, and the same after reconstruction."""
    pruned = pruned_copy(dense.network, [dense.whole], [genome])
    after = copy.deepcopy(pruned)
    reconstruct(after, dense, genome, x, torch.Generator().manual_seed(0))
    return pruned, after


def distance(network: nn.Module, dense: nn.Module, x: Tensor) -> float:
    """The squared error of the outputs, as a share of the squared outputs."""
    with torch.no_grad():
        return float((network(x) - dense(x)).square().sum() / dense(x).square().sum())


X = torch.randn(40, 2, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def chain(*, repeated: bool, groups: int = 1) -> Net:
    """A layer, whose second half of channels repeats the first half, and the layer that reads it."""
    a = nn.Conv2d(2, 8, 3, padding=1)
    if repeated:
        with torch.no_grad():
            for tensor in (a.weight, a.bias):
                assert tensor is not None
                tensor[4:] = 2 * tensor[:4]
    return (
        Net(
            lambda net, x: net.scores(net.b(net.a(x).relu()).relu().mean((2, 3))),
            a=a,
            b=nn.Conv2d(8, 8, 3, padding=1, groups=groups),
            scores=nn.Linear(8, 3),
        )
        .double()
        .eval()
    )


def test_channels_that_others_make_up_for_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(least_squares, "RIDGE", 1e-9)
    dense = divided(chain(repeated=True), X[:2])
    genome = dense.whole.dense
    genome[[group.start + channel for group in dense.channels.groups if group.name == "a" for channel in range(4)]] = 0
    pruned, after = solved(dense, genome, X)
    assert distance(after, dense.network, X) < 1e-6 * distance(pruned, dense.network, X)


@given(recipes(), st.integers(0, 2**16))
@settings(max_examples=scaled(15), phases=NO_SHRINKING)
def test_nothing_pruned_nothing_changed(recipe: Recipe, seed: int) -> None:
    dense = divided(build(recipe, seed), images(seed))
    _, after = solved(dense, dense.whole.dense, images(seed + 1, 6))
    torch.testing.assert_close(after.state_dict(), dict(dense.network.state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_come_nearer_in_networks_of_all_kinds(kind: str) -> None:
    recipe: Recipe = [["Plain", 8, 0, 0, 0], [kind, 8, 0, 3, 4]]
    dense = divided(build(recipe, 0), images(0))
    pruned, after = solved(dense, random_genome(dense.whole, 3), images(1, 64))
    assert distance(after, dense.network, images(1, 64)) < 0.5 * distance(pruned, dense.network, images(1, 64))


@given(recipes(), st.integers(0, 2**16))
@settings(max_examples=scaled(15), phases=NO_SHRINKING)
def test_no_layer_gets_worse(recipe: Recipe, seed: int) -> None:
    """At the positions at which it is compared, here all."""
    dense = divided(build(recipe, seed), images(seed))
    errors: list[tuple[float, float]] = []
    solve = module._solve

    def measured(wanted: Part, given: Part, name: str, kept: Tensor | slice, drawn: torch.Generator) -> None:
        def error() -> float:
            at = torch.arange(given.layers()[name]).expand(8, -1)
            goal, found = (
                part.at_call(name, part.features, lambda call: call.output_rows(at)) for part in (wanted, given)
            )
            return float((goal[:, kept] - found).double().square().sum() / goal.double().square().sum())

        before = error()
        solve(wanted, given, name, kept, drawn)
        errors.append((before, error()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_solve", measured)
        patch.setattr(module, "_PLACES", 10**6)
        solved(dense, random_genome(dense.whole, seed), images(seed + 1, 8))
    assert errors
    assert not [(before, after) for before, after in errors if after > before * (1 + 1e-3) + 1e-8]


def test_shared_weights_and_what_comes_before_the_cut_stay() -> None:
    network = build([["Tied", 8, 0, 0, 0]], 0)
    dense = divided(network, images(0))
    genome = random_genome(dense.whole, 0)
    pruned, after = solved(dense, genome, images(1, 16))
    before = pruned.state_dict()
    changed = {name for name, tensor in after.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed & {"blocks.0.d.weight", "scores.weight"} == {"blocks.0.d.weight", "scores.weight"}
    kept = {"stem.weight", "blocks.0.a.weight", "blocks.0.b.weight", "blocks.0.again.weight", "blocks.0.c.weight"}
    assert not changed & kept


@pytest.mark.parametrize("groups", [1, 8])
def test_equal_seeds_give_equal_weights(groups: int) -> None:
    dense = divided(chain(repeated=False, groups=groups), X[:2])
    genome = random_genome(dense.whole, 1)
    states = [solved(dense, genome, X)[1].state_dict() for _ in range(2)]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def test_the_dense_network_stays_as_it_is() -> None:
    dense = divided(chain(repeated=False), X[:2])
    before = copy.deepcopy(dense.network.state_dict())
    solved(dense, random_genome(dense.whole, 1), X)
    torch.testing.assert_close(dense.network.state_dict(), before, rtol=0, atol=0)
