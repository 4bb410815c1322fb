from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from emopms.builtin.sampling.importance import Importance
from emopms.builtin.sampling.sensitivity import Sensitivity
from emopms.builtin.sampling.uniform import Uniform
from emopms.network.partition.importance import magnitude
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of

if TYPE_CHECKING:
    from emopms.api import Sampling


@pytest.fixture
def sub() -> SubNetwork:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 20, 1), nn.ReLU(), nn.Conv2d(20, 3, 1), nn.Conv2d(3, 3, 1))
    return subnetworks_of(network, [], torch.zeros(2, 2, 4, 4))[0]


IMAGES = torch.randn(8, 2, 4, 4, generator=torch.Generator().manual_seed(0))
ALL = [Importance(), Importance(least=0.5, blur=0.0), Sensitivity(), Uniform()]


@pytest.mark.parametrize("sampling", ALL, ids=repr)
def test_a_generator_moves_on(sampling: Sampling, sub: SubNetwork) -> None:
    rng = np.random.default_rng(3)
    assert not np.array_equal(sampling.sample(sub, IMAGES, 9, rng), sampling.sample(sub, IMAGES, 9, rng))


@pytest.mark.parametrize("least", [0.1, 0.4, 1.0])
def test_importance_keeps_at_least_its_share_of_every_group_up_to_all(least: float, sub: SubNetwork) -> None:
    genomes = Importance(least=least).sample(sub, IMAGES, 30, np.random.default_rng(0))
    for group in sub.channels.groups:
        kept = genomes[:, group.genes].sum(axis=1)
        assert kept.min() >= max(1, round(least * group.size))
    assert genomes[-1].all()
    assert genomes.all() == (least == 1.0)


def test_importance_spreads_from_sparse_to_dense(sub: SubNetwork) -> None:
    kept = Importance().sample(sub, IMAGES, 40, np.random.default_rng(0)).mean(axis=1)
    assert np.corrcoef(kept, np.linspace(0.1, 1.0, 40))[0, 1] > 0.9
    assert kept[0] < 0.3


def test_without_blur_the_most_important_channels_stay(sub: SubNetwork) -> None:
    scores = magnitude(sub)
    for genome in Importance(blur=0.0).sample(sub, IMAGES, 10, np.random.default_rng(0)):
        for group in sub.channels.groups:
            kept, own = genome[group.genes], scores[group.genes]
            assert kept.all() or own[kept].min() >= own[~kept].max()


def test_blur_varies_which_channels_stay(sub: SubNetwork) -> None:
    scores = magnitude(sub)[:20]
    best = np.argsort(-scores)[:10]
    genomes = Importance(blur=1.0).sample(sub, IMAGES, 40, np.random.default_rng(0))[:, :20]
    halves = genomes[genomes.sum(axis=1) == 10]
    assert len(halves)
    assert not halves[:, best].all()


def test_uniform_candidates_differ_in_how_much_they_keep(sub: SubNetwork) -> None:
    kept = Uniform().sample(sub, IMAGES, 200, np.random.default_rng(0)).mean(axis=1)
    assert kept.min() < 0.2
    assert kept.max() > 0.9
    assert 0.4 < kept.mean() < 0.65


def test_sensitivity_drops_first_what_does_least_for_its_macs() -> None:
    torch.manual_seed(0)
    first, second, third, fourth = (nn.Conv2d(*widths, 1) for widths in ((2, 4), (4, 4), (4, 4), (4, 3)))
    for layer in (first, second, third, fourth):
        nn.init.orthogonal_(layer.weight)
    with torch.no_grad():
        second.weight[:, 2] /= 100  # a channel of the first layer that hardly matters
        fourth.weight[:, 1] /= 100  # one of the third likewise, for fewer MACs
        fourth.weight[:, 3] = 0  # and one that does not matter at all
    network = nn.Sequential(first, second, nn.AvgPool2d(2), third, fourth)
    sub = subnetworks_of(network, [], torch.zeros(2, 2, 4, 4))[0]
    names = [(group.name, gene) for group in sub.channels.groups for gene in range(group.size)]
    genomes = Sensitivity(blur=0.0).sample(sub, IMAGES, len(names) * 2, np.random.default_rng(0))
    gone: list[tuple[str, int]] = []
    for genome in genomes[::-1]:
        gone += [name for name, kept in zip(names, genome, strict=True) if not kept and name not in gone]
    assert gone[:3] == [("3", 3), ("0", 2), ("3", 1)]
    assert genomes[-1].all()


@pytest.mark.parametrize("kind", [Importance, Sensitivity])
@pytest.mark.parametrize("values", [{"least": 0.0}, {"least": 1.1}, {"blur": -0.1}])
def test_bad_values_are_refused(kind: type[Importance | Sensitivity], values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(values)
