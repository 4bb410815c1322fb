"""Seeds: every stream depends on its name and on the seed of the spec, and on nothing else."""

from __future__ import annotations

import random
from contextlib import suppress

import numpy as np
import pytest
import torch

from emopms.engine.support.seeds import derive, numpy_rng, seeded_globals, torch_rng


def test_seeds_are_those_of_version_0_1() -> None:
    """Other seeds would change the results of every spec."""
    assert derive(0, "evolve/1", "search") == 5622281520631995840
    assert derive(3, "pretrain", "epoch", 2) == 3787849646188888097


def test_seeds_have_63_bits() -> None:
    seeds = [derive(0, "stream", number) for number in range(1000)]
    assert len(set(seeds)) == 1000
    assert 2**62 < max(seeds) < 2**63
    assert min(seeds) >= 0


def test_names_and_seeds_all_count() -> None:
    assert len({derive(0, "a"), derive(1, "a"), derive(0, "b"), derive(0, "a", "b"), derive(0, "a", 0)}) == 5


def test_generators_draw_the_same_again() -> None:
    np.testing.assert_array_equal(numpy_rng(1, "x").random(5), numpy_rng(1, "x").random(5))
    assert torch.equal(torch.rand(5, generator=torch_rng(1, "x")), torch.rand(5, generator=torch_rng(1, "x")))
    assert torch_rng(1, "x").device.type == "cpu"


def test_drawing_from_a_stream_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    torch.rand(3, generator=torch_rng(1, "x"))
    assert torch.equal(torch.rand(1), expected)


def _draw() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.random()), random.random()


def test_global_generators_are_a_stream_inside_and_as_before_afterwards() -> None:
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    expected = [_draw(), _draw()]
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    with seeded_globals(1, "x"):
        inside = _draw()
    assert _draw() == expected[0]
    with suppress(KeyError), seeded_globals(1, "x"):
        assert _draw() == inside
        raise KeyError
    assert _draw() == expected[1], "also after an error"
    with seeded_globals(1, "y"):
        assert not set(_draw()) & set(inside)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_generators_of_gpus_are_a_stream_too() -> None:
    torch.cuda.manual_seed_all(7)
    expected = torch.rand(2, device="cuda")
    torch.cuda.manual_seed_all(7)
    with seeded_globals(1, "x"):
        inside = torch.rand(2, device="cuda")
    assert torch.equal(torch.rand(2, device="cuda"), expected)
    with seeded_globals(1, "x"):
        assert torch.equal(torch.rand(2, device="cuda"), inside)
