from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from emopms.api import Sampling
from emopms.testing import SamplingConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path


def sampling(sample: Any) -> Any:
    return component(Sampling, sample=lambda self, sub, inputs, count, rng: sample(sub, count, rng))


def drawn(sub: Any, count: int, rng: Any) -> Any:
    return rng.random((count, sub.channels.genes)) < 0.5


def emptied(sub: Any, count: int, rng: Any) -> Any:
    with torch.no_grad():
        next(sub.module.parameters()).zero_()
    return drawn(sub, count, rng)


SHAPE, GIVEN = "draws_as_many_genomes_as_asked_for", "draws_from_the_given_generator_alone"
BROKEN = [
    Broken(SHAPE, sampling(lambda s, n, r: drawn(s, n, r).tolist()), "returned a list"),
    Broken(SHAPE, sampling(lambda s, n, r: drawn(s, n, r) * 1.0), "returned float64"),
    Broken(SHAPE, sampling(lambda s, n, r: drawn(s, max(n, 2), r)), r"bool \[2, \d+\] for 1 candidates"),
    Broken(SHAPE, sampling(lambda s, n, r: drawn(s, n, r)[:, 1:]), "return booleans"),
    Broken(GIVEN, sampling(lambda s, n, r: drawn(s, n, np.random)), "The same generator gave different"),
    Broken(GIVEN, sampling(lambda s, n, r: (torch.rand(n, s.channels.genes) < 0.5).numpy()), "gave different"),
    Broken(GIVEN, sampling(lambda s, n, r: drawn(s, n, np.random.default_rng(0))), "Differently seeded"),
    Broken("candidates_differ", sampling(lambda s, n, r: np.ones((n, s.channels.genes), bool)), "All 17 genomes"),
    Broken("leaves_the_subnetwork_alone", sampling(emptied), r"changed the sub-network: .*weight"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(SamplingConformance, tmp_path)
