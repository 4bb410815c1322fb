from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from emopms.engine.comparison.measure_latency import MeasureLatency, batch_size
from emopms.engine.comparison.methods import latency_stage
from emopms.engine.results.latency import Latency
from emopms.engine.timing.stopwatch import Stopwatch
from emopms.spec import Target
from tests.engine.contexts import artefacts_of, run_stage, tiny_context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

    import emopms


def test_batches_are_bounded_by_images_and_by_work() -> None:
    assert [batch_size(macs) for macs in (0, 10**6, 40 * 10**6, 4 * 10**9)] == [64, 64, 25, 1]


def test_both_networks_are_timed_on_the_same_images(
    finished: emopms.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores: list[torch.Tensor] = []

    def by_turns(_: Stopwatch, works: Sequence[Callable[[], torch.Tensor]]) -> list[float]:
        scores.extend(work() for work in works)
        return [0.004, 0.002]

    monkeypatch.setattr(Stopwatch, "by_turns", by_turns)
    stage = latency_stage("tiny", Target(macs=0.6), tuned_by="finetune/macs-0.6", device="cpu")
    assert isinstance(stage, MeasureLatency)
    found = Latency.load(run_stage(stage, tiny_context(), artefacts_of(finished), tmp_path))
    assert (found.dense_ms, found.pruned_ms, found.speedup) == (4.0, 2.0, 2.0)
    assert [len(each) for each in scores] == [found.batch_size] * 2
    assert all(each.dtype == torch.float32 and each.is_inference() for each in scores)
    assert not torch.equal(*scores), "these are two networks"


def test_a_latency_is_stored_as_json(finished: emopms.Result, tmp_path: Path) -> None:
    stage = latency_stage("tiny", Target(macs=0.6), tuned_by="finetune/macs-0.6", device="cpu")
    stored = run_stage(stage, tiny_context(), artefacts_of(finished), tmp_path)
    figures = json.loads((stored.folder / "latency.json").read_text())
    assert figures.keys() == {"batch_size", "dense_ms", "pruned_ms"}
    assert min(figures.values()) > 0
