from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.network.partition.largest_within import largest_within
from tests.engine.contexts import tiny_context

if TYPE_CHECKING:
    from emopms.network.partition.subnetwork import SubNetwork


@pytest.fixture(scope="module")
def whole() -> SubNetwork:
    context = tiny_context()
    return context.divide(context.random_network()).whole


@pytest.mark.parametrize("multiple", [1, 2, 3])
@pytest.mark.parametrize("share", [0.45, 0.6, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_further_channel_fits(whole: SubNetwork, seed: int, share: float, multiple: int) -> None:
    rng = np.random.default_rng(seed)
    bound = share * whole.costs.macs(whole.dense[None])[0]
    scores = rng.random(whole.channels.genes)
    genome = largest_within(whole, scores, lambda some: whole.costs.macs(some) <= bound, multiple=multiple)
    assert whole.costs.macs(genome[None])[0] <= bound
    for group in whole.channels.groups:
        own = genome[group.genes]
        assert own.any()
        assert own.sum() % multiple == 0 or own.all()
        assert scores[group.genes][own].min() >= np.sort(scores[group.genes])[group.size - own.sum()], "the best"
        dropped = group.start + np.flatnonzero(~own)
        if multiple == 1 and len(dropped):
            wider = genome.copy()
            wider[dropped[0]] = True
            assert whole.costs.macs(wider[None])[0] > bound


def test_without_a_bound_everything_is_kept(whole: SubNetwork) -> None:
    assert largest_within(whole, np.zeros(whole.channels.genes), lambda some: np.ones(len(some), dtype=bool)).all()


def test_if_nothing_fits_the_smallest_is_kept(whole: SubNetwork) -> None:
    genome = largest_within(
        whole, np.arange(whole.channels.genes, dtype=float), lambda some: np.zeros(len(some), dtype=bool)
    )
    assert [int(genome[group.genes].sum()) for group in whole.channels.groups] == [1, 1, 1]
