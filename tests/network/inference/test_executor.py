"""Executors: `test_segments.py` has what they share, `test_fusion.py` what chunks give."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from emopms.network.channels.slicing import slice_tensors
from emopms.network.inference.activation_cache import ActivationCache
from emopms.network.inference.executor import Executor, ExecutorSettings, MemoryLimits

from ..networks import IMAGES, Net, random_genome, whole

if TYPE_CHECKING:
    from emopms.network.partition.subnetwork import SubNetwork


def network() -> Net:
    return Net(
        lambda net, x: net.b(net.norm(net.a(x)).relu()),
        a=nn.Conv2d(2, 4, 3),
        norm=nn.BatchNorm2d(4),
        b=nn.Conv2d(4, 3, 1),
    )


def executor_of(sub: SubNetwork, limits: MemoryLimits, *, batch_statistics: bool = True) -> Executor:
    return Executor(
        copy.deepcopy(sub.module).eval(),
        sub.channels,
        ActivationCache(0),
        limits,
        ExecutorSettings(max_chunk_elements=1),
        batch_statistics=batch_statistics,
        int8=False,
        signed_inputs=True,
        layout=torch.channels_last,
    )


@pytest.mark.parametrize("batch_statistics", [False, True])
@torch.no_grad()
def test_a_candidate_is_the_sliced_sub_network(batch_statistics: bool) -> None:
    sub = whole(network())
    executor = executor_of(sub, MemoryLimits(len(IMAGES)), batch_statistics=batch_statistics)
    tensors = {**dict(executor.module.named_parameters()), **dict(executor.module.named_buffers())}
    for seed in range(3):
        genome = random_genome(sub, seed)
        found = executor.run(IMAGES, genome, slice_tensors(tensors, sub.channels, genome))
        sub.module.train(batch_statistics)
        torch.testing.assert_close(found, sub.forward(IMAGES, genome))
    assert executor.int8_convolutions == 0
    assert executor.scales == {}


@torch.no_grad()
def test_lack_of_memory_lowers_the_shared_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    sub, limits = whole(network()), MemoryLimits(1, chunk_images=3)
    executor, images = executor_of(sub, limits), IMAGES[[0, 1, 2, 0, 1, 2, 0]]
    executor._settings = ExecutorSettings()
    tensors = {**dict(executor.module.named_parameters()), **dict(executor.module.named_buffers())}
    expected = executor.run(images, sub.dense, tensors)
    (segment,) = executor._segments

    def limited(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            raise MemoryError
        return segment(module, x)  # type: ignore[no-any-return]

    monkeypatch.setattr(executor, "_segments", [limited])
    torch.testing.assert_close(executor.run(images, sub.dense, tensors), expected)
    assert (limits.statistics_images, limits.chunk_images) == (1, 1)
