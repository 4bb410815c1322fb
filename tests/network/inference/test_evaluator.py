"""Evaluators: what they leave alone, and what does not depend on other candidates or threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from emopms.network.inference.evaluator import Evaluator, dense_tail
from emopms.network.partition.subnetwork import subnetworks_of

from ..networks import IMAGES, Net, random_genome, randomise, whole

GENOME = np.array([True, False, True, False])


def two_layers() -> Net:
    return Net(
        lambda net, x: net.b(net.norm(net.a(x)).relu()),
        a=nn.Conv2d(2, 4, 3),
        norm=nn.BatchNorm2d(4),
        b=nn.Conv2d(4, 3, 1),
    )


def test_running_statistics_judge_like_the_sliced_forward() -> None:
    sub = whole(two_layers())
    found = Evaluator(sub, batch_statistics=False).run(IMAGES, GENOME)
    torch.testing.assert_close(found, sub.forward(IMAGES, GENOME))
    assert not torch.allclose(found, Evaluator(sub).run(IMAGES, GENOME))


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_an_evaluator_leaves_the_subnetwork_alone_and_keeps_to_its_own_moment(batch_statistics: bool) -> None:
    network = two_layers()
    sub = whole(network)
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    evaluator = Evaluator(sub, batch_statistics=batch_statistics)
    first = evaluator.run(IMAGES, GENOME)
    assert not first.requires_grad
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    torch.testing.assert_close(evaluator.run(IMAGES, GENOME), first, rtol=0, atol=0)


def test_evaluating_one_candidate_does_not_touch_the_next() -> None:
    evaluator = Evaluator(whole(two_layers()))
    other = ~GENOME
    alone = evaluator.run(IMAGES, other)
    evaluator.run(IMAGES, GENOME)
    torch.testing.assert_close(evaluator.run(IMAGES, other), alone, rtol=0, atol=0)


def test_dropout_is_off_in_evaluations() -> None:
    network = Net(
        lambda net, x: net.b(net.drop(net.a(x))), a=nn.Conv2d(2, 4, 1), drop=nn.Dropout(0.5), b=nn.Conv2d(4, 3, 1)
    )
    sub = whole(network)
    network.train()
    evaluator = Evaluator(sub)
    torch.testing.assert_close(evaluator.run(IMAGES, GENOME), evaluator.run(IMAGES, GENOME), rtol=0, atol=0)


def test_threads_get_what_one_thread_gets() -> None:
    sub = whole(two_layers())
    evaluator = Evaluator(sub)
    genomes = [random_genome(sub, seed) for seed in range(20)]
    expected = [evaluator.run(IMAGES, genome) for genome in genomes]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda genome: evaluator.run(IMAGES, genome), genomes))
    assert all(map(torch.equal, found, expected))


def test_a_dense_tail_runs_the_parts_in_order_with_the_statistics_of_the_batch() -> None:
    network = randomise(nn.Sequential(two_layers(), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1)), 0)
    parts = subnetworks_of(network, ["0"], IMAGES)
    tail = dense_tail(parts)
    expected = network.train()(IMAGES)
    for _ in range(2):
        torch.testing.assert_close(tail(IMAGES), expected.detach())
    assert dense_tail([])(IMAGES) is IMAGES
