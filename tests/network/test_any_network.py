"""Networks of all kinds at random: what is predicted, what is evaluated, and what comes out of surgery agree."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import fx, nn

from emopms.network.channels.limits import Limits, LimitsError
from emopms.network.channels.surgery import fit_to, pruned_state
from emopms.network.costs.cost_model import count
from emopms.network.inference.evaluator import Evaluator
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of
from tests.examples import scaled

from .networks import random_genome
from .zoo import KINDS, Recipe, build, images, recipes

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.slow

NETWORKS = 320
"""Number of random networks that are tried."""

NO_SHRINKING = (Phase.explicit, Phase.generate)
"""Recipes are short, and every try is a training: a failure is told at once."""


def pruned(recipe: Recipe, seed: int, state: dict[str, Tensor]) -> nn.Module:
    """A network of which nothing is known but its recipe and the pruned state, as after loading from disk."""
    network = build(recipe, seed + 1)
    fit_to(network, state)
    return network


def assert_equal(found: Tensor, expected: Tensor) -> None:
    """Within 1e-4 of the largest score."""
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


def agree(recipe: Recipe, seed: int, sub: SubNetwork, dense: nn.Module) -> nn.Module:
    x, genome = images(seed), random_genome(sub, seed)
    network = pruned(recipe, seed, pruned_state(dense, [(sub.channels, genome)]))
    with torch.no_grad():
        assert_equal(sub.forward(x, genome), network(x))
    counted = count(network, x)
    assert sub.costs.macs(genome[None]).tolist() == [counted.macs]
    assert sub.costs.params(genome[None]).tolist() == [counted.params]
    assert sub.costs.macs(sub.dense[None]).tolist() == [count(dense, x).macs]
    return network


@given(recipes(), st.integers(0, 2**16), st.booleans())
@settings(max_examples=scaled(NETWORKS), phases=NO_SHRINKING)
def test_slicing_surgery_and_prediction_agree_and_training_goes_on(
    recipe: Recipe, seed: int, prune_residual: bool
) -> None:
    dense = build(recipe, seed)
    (sub,) = subnetworks_of(dense, [], images(seed), prune_residual=prune_residual)
    assert dense.free <= {group.name for group in sub.channels.groups}
    network = agree(recipe, seed, sub, dense)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    network.train()(images(seed)).square().sum().backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


@given(recipes(), st.integers(0, 2**16), st.integers(1, 6), st.sampled_from((0.4, 0.75, 1.0)))
@settings(max_examples=scaled(40), phases=NO_SHRINKING)
def test_limits_hold_in_networks_of_all_kinds(recipe: Recipe, seed: int, least: int, ratio: float) -> None:
    dense, limits = build(recipe, seed), Limits(min_channels=least, max_ratio=ratio)
    try:
        (sub,) = subnetworks_of(dense, [], images(seed), prune_residual=True, limits=limits)
    except LimitsError:
        return
    network = agree(recipe, seed, sub, dense)
    for name, module in dense.named_modules():
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            outputs = int(isinstance(module, nn.modules.conv._ConvTransposeNd))
            width, kept = module.weight.shape[outputs], network.get_parameter(f"{name}.weight").shape[outputs]
            assert kept >= min(width, least), name
            assert width - kept <= ratio * width + 1e-9, name


@given(recipes(), st.integers(0, 2**16))
@settings(max_examples=scaled(40), phases=NO_SHRINKING)
def test_candidates_are_evaluated_as_the_pruned_network_trains(recipe: Recipe, seed: int) -> None:
    """With the statistics of the batch, in whatever way a layer reads its mode; stochastic depth aside."""
    dense = build(recipe, seed)
    (sub,) = subnetworks_of(dense, [], images(seed))
    genome = random_genome(sub, seed)
    network = pruned(recipe, seed, pruned_state(dense, [(sub.channels, genome)]))
    for module in network.modules():
        module.training = isinstance(module, nn.modules.batchnorm._BatchNorm)
    with torch.no_grad():
        assert_equal(Evaluator(sub).run(images(seed), genome), network(images(seed)))


@pytest.mark.parametrize("kind", KINDS)
def test_residual_streams_open_where_that_is_wanted(kind: str) -> None:
    dense = build([["Plain", 8, 0, 0, 0], [kind, 8, 0, 1, 0], [kind, 8, 1, 1, 0]], 0)
    closed, opened = (subnetworks_of(dense, [], images(0), prune_residual=wanted)[0] for wanted in (False, True))
    assert opened.channels.genes >= closed.channels.genes
    assert not any("residual stream" in why for why in opened.channels.pinned.values())
    opening = {name for name, why in closed.channels.pinned.items() if "residual stream" in why}
    assert opening.isdisjoint(opened.channels.pinned), "what is said to open does"
    assert agree([["Plain", 8, 0, 0, 0], [kind, 8, 0, 1, 0], [kind, 8, 1, 1, 0]], 0, opened, dense)


@pytest.mark.slow
def test_what_is_saved_is_the_same_in_a_fresh_process(tmp_path: Path) -> None:
    recipe_of = {
        kind: [[kind, width, variant, variant, 7 - variant] for width in (4, 8)] for variant, kind in enumerate(KINDS)
    }
    cases = []
    for number, recipe in enumerate([*recipe_of.values(), *(a + b for a, b in pairwise(recipe_of.values()))]):
        dense = build(recipe, number)
        (sub,) = subnetworks_of(dense, [], images(number))
        state = pruned_state(dense, [(sub.channels, random_genome(sub, number))])
        with torch.no_grad():
            scores = pruned(recipe, number, state)(images(number))
        save_file({"scores": scores, **state}, tmp_path / f"{number}.safetensors")
        cases.append(recipe)
    (tmp_path / "recipes.json").write_text(json.dumps(cases))
    done = subprocess.run([sys.executable, "-m", __name__, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, [str(len(cases))]), done.stderr


def read_again(folder: Path) -> None:
    """What the fresh process does."""
    recipes = json.loads((folder / "recipes.json").read_text())
    torch.set_num_threads(1)
    for number, recipe in enumerate(recipes):
        state = load_file(folder / f"{number}.safetensors")
        scores = state.pop("scores")
        with torch.no_grad():
            torch.testing.assert_close(pruned(recipe, number, state)(images(number)), scores)
    sys.stdout.write(str(len(recipes)))


def test_pruning_many_networks_keeps_none_of_them() -> None:
    """What keeps one keeps them all: twenty are enough to tell."""
    recipe: Recipe = [["Inverted", 8, 1, 0, 0], ["Mixer", 4, 0, 0, 0]]
    alive = []
    for seed in range(20):
        dense = build(recipe, seed)
        (sub,) = subnetworks_of(dense, [], images(seed))
        network = agree(recipe, seed, sub, dense)
        Evaluator(sub).run(images(seed), random_genome(sub, seed))
        alive += [
            weakref.ref(thing) for thing in (dense, sub, sub.module, network, network.get_parameter("stem.weight"))
        ]
        if seed == 0:
            sources = set(fx.graph_module._loader.eval_cache)
    del dense, sub, network
    gc.collect()
    assert not any(reference() is not None for reference in alive)
    assert set(fx.graph_module._loader.eval_cache) <= sources, "torch.fx keeps no source either"


if __name__ == "__main__":
    read_again(Path(sys.argv[1]))
