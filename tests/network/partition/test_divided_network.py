"""The channels that cross the splits, pruned together with those inside the parts."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from torch import nn

from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.network.channels.surgery import fit_to, pruned_state
from emopms.network.channels.table import joined
from emopms.network.costs.cost_model import count
from emopms.network.inference.evaluator import Evaluator
from emopms.network.partition.divided_network import DividedNetwork, NoBoundaryError, divide_network
from emopms.network.partition.subnetwork import SubNetwork

from ..chains import Case, Reversed, cases
from ..networks import IMAGES, examples, random_genome, randomise

if TYPE_CHECKING:
    from ..networks import Genome


def _pruned(divided: DividedNetwork, genomes: list[Genome]) -> nn.Module:
    cuts = [(sub.channels, genome) for sub, genome in zip(divided.searched, genomes, strict=True)]
    pruned = copy.deepcopy(divided.network)
    fit_to(pruned, pruned_state(divided.network, cuts))
    return pruned


@pytest.mark.slow
@given(cases())
@examples
def test_parts_with_pruned_boundaries_compose_to_the_pruned_network(case: Case) -> None:
    try:
        divided = divide_network(case.network, case.points, case.images, prune_boundaries=True)
    except NoBoundaryError:
        assume(False)
    genomes = [random_genome(sub, case.seed + sub.index) for sub in divided.searched]
    *own, boundaries = genomes
    assert divided.boundaries is not None
    pruned = _pruned(divided, genomes)
    features = case.images
    for part, genome in zip(divided.parts, own, strict=True):
        both = SubNetwork(0, 1, part.module, joined([part.channels, divided.boundaries.channels]))
        features = Evaluator(both, batch_statistics=False).run(features, np.concatenate([genome, boundaries]))
    torch.testing.assert_close(features, pruned(case.images))
    counted = count(pruned, case.images)
    joint = np.concatenate(genomes)[None, :]
    assert (divided.costs.macs(joint)[0], divided.costs.params(joint)[0]) == (counted.macs, counted.params)
    assert divided.whole.costs.macs(joint)[0] == counted.macs


def test_the_genes_of_boundaries_are_the_streams_that_cross_the_splits() -> None:
    network = SmallResNet(widths=(4, 6, 8)).build(input_shape=(2, 8, 8), classes=3)
    divided = divide_network(
        randomise(network, 0), ["stage1", "stage2"], torch.zeros(2, 2, 8, 8).double(), prune_boundaries=True
    )
    assert divided.boundaries is not None
    assert divided.boundaries.channels.genes == 4 + 6, "but not the last stream, which crosses none"
    inside = {group.name for part in divided.parts for group in part.channels.groups}
    assert inside.isdisjoint(group.name for group in divided.boundaries.channels.groups)


def test_without_split_points_there_are_no_boundaries() -> None:
    network = SmallResNet(widths=(4, 6)).build(input_shape=(2, 8, 8), classes=3)
    with pytest.raises(NoBoundaryError, match="no split points"):
        divide_network(network, [], torch.zeros(2, 2, 8, 8), prune_boundaries=True)


def test_boundaries_that_must_stay_are_refused_with_the_reason() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 1), Reversed(), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
    with pytest.raises(NoBoundaryError, match="it meets flip"):
        divide_network(randomise(network, 0), ["1"], IMAGES, prune_boundaries=True)
