"""What candidates share is computed once, and the same to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from emopms.builtin.nets.resnet import ResNetCifar
from emopms.network.inference.activation_cache import ActivationCache
from emopms.network.inference.evaluator import Evaluator
from emopms.network.inference.executor import STATISTICS_IMAGES, ExecutorSettings
from emopms.network.inference.fusion import Fused, fuse
from emopms.network.inference.int8 import QuantizedConv, quantize_convolutions
from emopms.network.inference.segments import nodes_before_genes, segments_of
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of
from tests.examples import scaled

from ..networks import random_genome
from ..test_any_network import NO_SHRINKING
from ..zoo import Recipe, build, images, recipes

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.slow

ROOM = 2**26


CUT_EVERYWHERE = ExecutorSettings(min_macs_per_element=0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Fused]:
    """The fused operations that are run."""
    run: list[Fused] = []
    forward = Fused.forward

    def noted(self: Fused, *tensors: Tensor) -> Tensor:
        run.append(self)
        return forward(self, *tensors)

    monkeypatch.setattr(Fused, "forward", noted)
    return run


def resnet(depth: int = 20) -> SubNetwork:
    torch.manual_seed(0)
    (sub,) = subnetworks_of(ResNetCifar(depth, width=16, channels=3, classes=10).eval(), [], torch.randn(2, 3, 32, 32))
    return sub


def beginning(first: np.ndarray[Any, Any], then: np.ndarray[Any, Any], genes: int) -> np.ndarray[Any, Any]:
    return np.concatenate([first[:genes], then[genes:]])


@given(recipes(), st.integers(0, 2**16), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=scaled(40), phases=NO_SHRINKING)
def test_sharing_changes_no_bit(
    recipe: Recipe, seed: int, prune_residual: bool, batch_statistics: bool, bf16: bool
) -> None:
    (sub,) = subnetworks_of(build(recipe, seed), [], images(seed), prune_residual=prune_residual)
    batches = [images(seed), images(seed + 1)]
    first, then = random_genome(sub, seed), random_genome(sub, seed + 1)
    candidates = [beginning(first, then, genes) for genes in (0, sub.channels.genes, sub.channels.genes // 2, 1)]
    candidates = [sub.repair(genome[None], np.ones(len(genome)))[0] for genome in candidates]
    sharing = Evaluator(sub, batch_statistics=batch_statistics, cache=ActivationCache(ROOM), settings=CUT_EVERYWHERE)
    alone = Evaluator(sub, batch_statistics=batch_statistics)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        expected = [[alone.run(batch, genome) for batch in batches] for genome in candidates]
        for genome, values in zip([*candidates, *candidates], [*expected, *expected], strict=True):
            assert all(
                torch.equal(sharing.run(batch, genome), value) for batch, value in zip(batches, values, strict=True)
            )


def test_what_begins_alike_is_not_computed_again(calls: list[Fused]) -> None:
    sub, batch = resnet(), torch.randn(4, 3, 32, 32)
    evaluator = Evaluator(sub, cache=ActivationCache(ROOM), settings=CUT_EVERYWHERE)
    genome = random_genome(sub, 0)
    counts = []
    for changed in (None, -1, 0, sub.channels.genes // 2, None):
        candidate = genome.copy()
        if changed is not None:
            candidate[changed] ^= True
        calls.clear()
        evaluator.run(batch, candidate)
        counts.append(len(calls))
    everything, last, first, middle, again = counts
    assert everything == 19, "each convolution with its batch norm"
    assert first == 18, "all but the stem, which has no gene"
    assert again <= last < middle < first


def test_another_batch_shares_nothing_even_where_it_is_equal(calls: list[Fused]) -> None:
    sub, batch = resnet(), torch.randn(4, 3, 32, 32)
    evaluator = Evaluator(sub, cache=ActivationCache(ROOM), settings=CUT_EVERYWHERE)
    for equal in (batch, batch.clone()):
        calls.clear()
        evaluator.run(equal, sub.dense)
        assert len(calls) == 19


def test_statistics_of_the_batch_and_the_dense_networks_are_not_mixed_up() -> None:
    sub, batch, cache = resnet(), torch.randn(4, 3, 32, 32), ActivationCache(ROOM)
    for batch_statistics in (True, False):
        found = Evaluator(sub, batch_statistics=batch_statistics, cache=cache, settings=CUT_EVERYWHERE).run(
            batch, sub.dense
        )
        assert torch.equal(found, Evaluator(sub, batch_statistics=batch_statistics).run(batch, sub.dense))


@pytest.mark.parametrize(("room", "expected"), [(0, 2), (2**20, 8)])
def test_segments_are_as_many_as_there_is_room_for(room: int, expected: int) -> None:
    sub = resnet(56)
    fuse(sub.module)
    found = segments_of(sub.module, sub.channels, room, min_macs_per_element=0)
    assert len(found) == expected
    assert not len(found[0].genes), "the stem"
    assert [len(segment.genes) for segment in found] == sorted({len(segment.genes) for segment in found})
    assert found[-1].genes.tolist() == list(range(sub.channels.genes))


def test_there_is_room_for_more_segments_in_eight_bits() -> None:
    sub, room = resnet(56), 100_000
    fuse(sub.module)
    before = segments_of(sub.module, sub.channels, room, min_macs_per_element=0)
    quantize_convolutions(sub.module, nodes_before_genes(sub.module, sub.channels), quantize_input=False)
    for operation in sub.module.modules():
        if isinstance(operation, QuantizedConv):
            operation.calibrating = True  # its scale is not known yet
    assert len(before) < len(segments_of(sub.module, sub.channels, room, min_macs_per_element=0))


def test_segments_follow_one_another_to_the_same_function() -> None:
    sub, batch = resnet(), torch.randn(2, 3, 32, 32)
    expected, found = sub.module(batch), batch
    for segment in segments_of(sub.module, sub.channels, 2**20, min_macs_per_element=0):
        found = segment.module(found)
    assert torch.equal(found, expected)


def test_there_are_few_cuts_where_little_is_computed_for_each_number() -> None:
    sub = resnet()
    everywhere = segments_of(sub.module, sub.channels, 2**20, min_macs_per_element=0, max_segments=100)
    assert 2 < len(segments_of(sub.module, sub.channels, 2**20)) < len(everywhere)


class InPlace(nn.Module):
    """What crosses each possible cut is overwritten behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.third = nn.Conv2d(4, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.third(self.second(self.first(x).relu_()).relu_()).mean((2, 3))
        return scores


def test_what_is_kept_is_not_overwritten() -> None:
    (sub,) = subnetworks_of(InPlace().eval(), [], torch.randn(2, 3, 12, 12))
    batch, evaluator = torch.randn(4, 3, 12, 12), Evaluator(sub, cache=ActivationCache(ROOM), settings=CUT_EVERYWHERE)
    other = sub.dense.copy()
    other[-1] = False
    for genome in (sub.dense, other, sub.dense, other):
        assert torch.equal(evaluator.run(batch, genome), Evaluator(sub).run(batch, genome))


@pytest.mark.slow
@pytest.mark.parametrize("most", [40, 0])
def test_out_of_memory_fewer_images_are_run_at_once(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sub, batch = resnet(), torch.randn(STATISTICS_IMAGES + 100, 3, 32, 32)
    expected = Evaluator(sub).run(batch, sub.dense)
    evaluator, small = Evaluator(sub, cache=ActivationCache(ROOM), settings=CUT_EVERYWHERE), Fused.forward

    def limited(self: Fused, x: Tensor, other: Tensor | None = None) -> Tensor:
        if len(x) > most and not self.learning:
            raise torch.OutOfMemoryError
        return small(self, x, other)

    monkeypatch.setattr(Fused, "forward", limited)
    if not most:
        for _ in range(2):
            with pytest.raises(torch.OutOfMemoryError):
                evaluator.run(batch, sub.dense)
            monkeypatch.delattr(Evaluator, "_new_executor", raising=False)  # the next candidate needs no other copy
    else:
        torch.testing.assert_close(evaluator.run(batch, sub.dense), expected)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(), MemoryError(), RuntimeError("can't allocate memory")])
def test_out_of_memory_statistics_are_learnt_on_fewer_images(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    sub, batch, small = resnet(), torch.randn(STATISTICS_IMAGES + 32, 3, 32, 32), Fused.forward

    def limited(self: Fused, x: Tensor, other: Tensor | None = None) -> Tensor:
        if len(x) > 50:
            raise error
        return small(self, x, other)

    evaluator = Evaluator(sub, cache=ActivationCache(ROOM), settings=CUT_EVERYWHERE)
    with monkeypatch.context() as patched:
        patched.setattr(Fused, "forward", limited)
        found = evaluator.run(batch, sub.dense)
    evaluator._idle.clear()  # what the next thread gets is a copy that has met no limit
    assert torch.equal(evaluator.run(batch, sub.dense), found)
    fewer = ExecutorSettings(statistics_images=STATISTICS_IMAGES // 4)
    torch.testing.assert_close(found, Evaluator(sub, settings=fewer).run(batch, sub.dense))


def test_a_candidate_that_fails_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    sub, batch = resnet(), torch.randn(8, 3, 32, 32)
    cache, calls, small = ActivationCache(ROOM), 0, Fused.forward
    evaluator = Evaluator(sub, cache=cache, settings=CUT_EVERYWHERE)

    def failing(self: Fused, x: Tensor, other: Tensor | None = None) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise ValueError("spoilt")
        return small(self, x, other)

    with monkeypatch.context() as patched:
        patched.setattr(Fused, "forward", failing)
        with pytest.raises(ValueError, match="spoilt"):
            evaluator.run(batch, sub.dense)
    everything = cache.allocate(1, torch.zeros(1, ROOM, dtype=torch.uint8))
    assert everything is not None
    cache.release(everything)
