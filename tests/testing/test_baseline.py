from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from emopms.api import Baseline
from emopms.testing import BaselineConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path


def baseline(prune: Any) -> Any:
    return component(Baseline, prune=lambda self, task: prune(task))


def right(task: Any) -> Any:
    return task.largest_within(task.rng.random(task.genes))


def unbounded(task: Any) -> Any:
    return task.subnetwork.dense


def least(task: Any) -> Any:
    return task.subnetwork.repair(np.zeros((1, task.genes), dtype=bool), np.ones(task.genes))[0]


def least_unless_all(task: Any) -> Any:
    dense = task.subnetwork.dense
    return dense if task.fits(dense[None])[0] else least(task)


def without_a_layer(task: Any) -> Any:
    genome = right(task)
    genome[task.subnetwork.channels.groups[0].genes] = False
    return genome


def one_channel(task: Any) -> Any:
    genome = without_a_layer(task)
    genome[task.subnetwork.channels.groups[0].start] = True
    return genome


def odd(task: Any) -> Any:
    genome = least(task)
    genome[task.subnetwork.channels.groups[0].genes.start] = True
    return genome


def emptied(task: Any) -> Any:
    with torch.no_grad():
        next(task.subnetwork.module.parameters()).zero_()
    return right(task)


def by_chance(task: Any) -> Any:
    return task.largest_within(torch.rand(task.genes).numpy())


BROKEN = [
    Broken("chooses_a_genome", baseline(lambda task: right(task).tolist()), "returned a list"),
    Broken("chooses_a_genome", baseline(lambda task: right(task) * 1.0), "returned float64"),
    Broken("chooses_a_genome", baseline(lambda task: right(task)[None]), r"return booleans \[\d+\]"),
    Broken("meets_the_bounds", baseline(unbounded), "1.000 of the macs remain"),
    Broken("uses_most_of_what_the_bounds_allow", baseline(least_unless_all), "keep more channels"),
    Broken("keeps_everything_if_it_may", baseline(least), "the bounds allow to keep"),
    Broken("keeps_a_channel_of_every_layer", baseline(without_a_layer), "lost all its channels"),
    Broken("obeys_limits", baseline(one_channel), "fewer channels than the limits of the spec say"),
    Broken("keeps_widths_of_the_multiple", baseline(odd), "multiples of 2"),
    Broken("is_determined_by_the_given_generator", baseline(by_chance), "gave different genomes"),
    Broken("leaves_the_network_alone", baseline(emptied), "changed the network: .*weight"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(BaselineConformance, tmp_path)
