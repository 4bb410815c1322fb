"""The search of a stage: its front, its summary, its progress and its log lines."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from loguru import logger

from emopms.builtin.algorithm.random import RandomSearch
from emopms.engine.results.search_summary import SearchSummary
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import Evaluations
from emopms.engine.search.stage_search import search
from emopms.engine.storage.store import Store
from emopms.engine.support.progress import Silent
from emopms.engine.support.wording import counted
from tests.engine.contexts import tiny_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from emopms.engine.results.front import Front
    from emopms.engine.support.progress import Steps


class Notes(Silent):
    """Records the notes of the progress."""

    def __init__(self) -> None:
        self.tracked: list[tuple[str, int, str]] = []
        self.notes: list[str] = []

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Steps]:
        self.tracked.append((label, total, unit))
        yield self

    def advance(self, note: str | None = None, *, steps: int = 1) -> None:
        self.notes.append(note or "")


class Uniform:
    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        return rng.random((count, 8)) < 0.5


class LossAndCost:
    """Cost: the channels kept. Loss: those pruned, but the dense sub-network is worse than the best of the others."""

    def __init__(self, *, fails: bool) -> None:
        self._fails = fails

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        kept = genomes.sum(axis=1)
        loss = np.where(kept == 8, 1.0, (8 - kept) / 8)
        values = np.column_stack([loss, kept])
        failed = (~genomes[:, 0]) & self._fails
        values[failed] = np.nan
        return Evaluations(values, "no first channel" if failed.any() else "")


@pytest.fixture(params=[False, True], ids=["all succeed", "some fail"])
def found(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Front, SearchSummary, Notes, list[str]]:
    context = replace(tiny_context(), progress=Notes())
    sub = context.divide(context.random_network()).searched[0]
    out, said = Store(tmp_path).begin("evolve/1", "key"), list[str]()
    sink = logger.add(said.append, level="INFO", format="{level} {message}")
    front = search(
        context,
        "evolve/1",
        sub,
        cache=EvaluationCache(LossAndCost(fails=request.param)),
        start=Uniform(),
        algorithm=RandomSearch(pop_size=8, generations=3),
        shown=(0, 1),
        out=out,
    )
    logger.remove(sink)
    assert isinstance(context.progress, Notes)
    return front, SearchSummary.load(out.complete({})), context.progress, said


def test_the_front_ends_with_the_dense_point_though_it_is_dominated(
    found: tuple[Front, SearchSummary, Notes, list[str]],
) -> None:
    front, *_ = found
    assert front.genomes[front.dense].all()
    assert front.objectives[front.dense].tolist() == [1.0, 8.0]
    assert not front.genomes[front.pruned].all(axis=1).any()
    assert front.objectives[front.pruned][:, 0].min() < 1.0
    assert np.isfinite(front.objectives).all()


def test_the_summary_counts_candidates(found: tuple[Front, SearchSummary, Notes, list[str]]) -> None:
    _, summary, _, said = found
    assert summary.generations == 3
    assert summary.asked == 1 + 3 * 8
    assert summary.evaluations <= summary.asked
    assert (summary.failed > 0) == (summary.first_failure == "no first channel")
    assert f"evolve/1: evaluated {summary.evaluations} candidates in 3 generations" in said[0]
    warned = [line for line in said if line.startswith("WARNING")]
    assert len(warned) == (summary.failed > 0)
    assert all(
        f"evaluation failed: {counted(summary.failed, 'candidate')}." in line and "no first channel" in line
        for line in warned
    )


def test_the_progress_shows_each_generation(found: tuple[Front, SearchSummary, Notes, list[str]]) -> None:
    front, summary, progress, _ = found
    assert progress.tracked == [("evolve/1", 3, "generations")]
    assert len(progress.notes) == 3
    assert progress.notes[-1].startswith(f"front {len(front.genomes) - 1}, hypervolume ")
    assert progress.notes[-1].endswith(f", {summary.failed} failed") == (summary.failed > 0)
    volumes = [float(note.split("hypervolume ")[1].split(",")[0]) for note in progress.notes]
    assert volumes == sorted(volumes)
