"""Candidates near the bounds of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.engine.search.near_bounds import CANDIDATES, NearBounds
from tests.engine.contexts import tiny_context

if TYPE_CHECKING:
    from emopms.network.partition.subnetwork import SubNetwork

SHARE = 0.5


@pytest.fixture(scope="module")
def whole() -> SubNetwork:
    context = tiny_context()
    return context.divide(context.random_network()).whole


def near(whole: SubNetwork, schemes: np.ndarray, *, multiple: int = 1, seed: int = 0) -> NearBounds:
    context = tiny_context(genome={"channel_multiple": multiple})
    return NearBounds(
        whole,
        schemes,
        lambda: {"macs": SHARE * whole.costs.macs(whole.dense[None])[0]},
        encoding=context.encoding(whole),
        multiple=multiple,
        rng=np.random.default_rng(seed),
    )


def schemes(whole: SubNetwork, count: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    drawn = rng.random((count, whole.channels.genes)) < np.linspace(0.1, 0.9, count)[:, None]
    return np.concatenate([whole.repair(drawn, np.ones(whole.channels.genes)), whole.dense[None]])


def shares(whole: SubNetwork, genomes: np.ndarray) -> np.ndarray:
    return np.asarray(whole.costs.macs(genomes) / whole.costs.macs(whole.dense[None])[0])


@pytest.mark.parametrize("multiple", [1, 4])
def test_all_candidates_are_just_within_the_bounds(whole: SubNetwork, multiple: int) -> None:
    search = near(whole, schemes(whole, 12), multiple=multiple)
    first = search.first()
    then = search.next(first, np.arange(len(first), dtype=float))
    for genomes in (first, then):
        assert (shares(whole, genomes) <= SHARE).all()
        assert (shares(whole, genomes) > SHARE - 0.08 * multiple).all()
        assert len(np.unique(genomes, axis=0)) == len(genomes)
        for group in whole.channels.groups:
            kept = genomes[:, group.genes].sum(axis=1)
            assert ((kept % multiple == 0) | (kept == group.size)).all()
    assert len(first) <= 13
    assert 1 < len(then) <= CANDIDATES


def test_the_first_candidates_keep_what_their_schemes_keep(whole: SubNetwork) -> None:
    small = schemes(whole, 6)[:1]  # far below the bound: nothing need be dropped
    for found in near(whole, np.concatenate([small, small])).first():
        assert (found | ~small[0]).all()
        assert found.sum() > small[0].sum()


def test_later_candidates_resemble_the_best(whole: SubNetwork) -> None:
    search = near(whole, schemes(whole, 12))
    first = search.first()
    then = search.next(first, np.where(np.arange(len(first)) == 0, 0.0, 9.0)[: len(first)])
    to_best = (then[:, None] != first[None]).sum(axis=2).min(axis=1)
    assert np.median(to_best) < 0.3 * whole.channels.genes


def test_the_same_seed_gives_the_same_candidates(whole: SubNetwork) -> None:
    one, other = (near(whole, schemes(whole, 8), seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.first(), other.first())


def test_if_every_scheme_is_too_large_channels_are_dropped(whole: SubNetwork) -> None:
    found = near(whole, np.stack([whole.dense, whole.dense])).first()
    assert (shares(whole, found) <= SHARE).all()
