from __future__ import annotations

import pytest
import torch

from emopms.network.inference import pool as pool_module
from emopms.network.inference.pool import EvaluatorPool
from emopms.network.runtime.device import Device

from ..networks import random_genome
from .test_int8 import block, features, whole


def test_a_request_always_gets_the_same_evaluator() -> None:
    x = features()
    pool = EvaluatorPool(whole(block("bias"), x), x, Device("cpu", int8=True), cached_images=len(x))
    assert pool.notes == []
    first = pool.get()
    assert pool.get() is first
    assert pool.get(int8=False) is pool.get(int8=False) is not first
    assert [note.partition(":")[0] for note in pool.notes] == ["in int8", "in fp32"]


def test_evaluators_have_the_statistics_asked_for() -> None:
    x = features()
    sub = whole(block("bias"), x)
    pool, genome = EvaluatorPool(sub, x, Device("cpu"), cached_images=0), random_genome(sub, 0)
    running = pool.get(batch_statistics=False).run(x, genome)
    with torch.no_grad():
        torch.testing.assert_close(running, sub.forward(x, genome), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(pool.get().run(x, genome), running)


@pytest.mark.parametrize("cached_images", [0, 148])
def test_memory_is_budgeted_only_for_a_cache(cached_images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def budget(device: str) -> int:
        asked.append(device)
        return 2**26

    monkeypatch.setattr(pool_module, "memory_budget", budget)
    x = features()
    EvaluatorPool(whole(block("bias"), x), x, Device("cpu"), cached_images=cached_images).get()
    assert asked == ["cpu"] * bool(cached_images)
