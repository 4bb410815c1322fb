"""Ranking: impairments of single front points in the otherwise dense network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from loguru import logger

from emopms.engine.results.front import Front, RankedFront
from emopms.engine.results.score import Score
from emopms.engine.session.scoring import Scorer
from emopms.engine.storage.store import Store
from tests.engine.contexts import run_stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_impairment_is_the_increase_in_loss_by_one_point_alone(
    context: Context, artefacts: dict[str, Artefact], index: int
) -> None:
    divided = context.constrained(artefacts["constrain"])
    ranked = RankedFront.load(artefacts["rank"], str(index + 1))
    front = Front.load(artefacts[f"evolve/{index + 1}"])
    assert {genome.tobytes() for genome in ranked.genomes} <= {genome.tobytes() for genome in front.genomes}
    assert ranked.genomes[ranked.dense].all()
    assert ranked.impairment[ranked.dense] == 0
    start = sum(sub.channels.genes for sub in divided.searched[:index])
    genomes = np.tile(divided.whole.dense, (len(ranked.genomes), 1))
    genomes[:, start : start + ranked.genomes.shape[1]] = ranked.genomes
    loss = np.array(
        [each.loss for each in Scorer(divided.whole, context.image_sets.ranking, context.device).score(genomes)]
    )
    np.testing.assert_allclose(ranked.impairment, loss - loss[ranked.dense], atol=1e-6)
    np.testing.assert_array_equal(ranked.costs[:, 0], divided.searched[index].costs.macs(ranked.genomes))


def test_of_a_long_front_about_as_many_points_are_taken_as_the_spec_says(
    artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    genomes = np.tri(8, dtype=np.bool_)  # 1 to 8 channels
    objectives = np.column_stack([np.linspace(2.0, 0.1, 8), np.arange(1.0, 9.0)])
    out = Store(tmp_path).begin("evolve/1", "synthetic")
    Front(genomes, objectives).save(out)
    found = run_stage("rank", tiny_context(points=3), {**artefacts, "evolve/1": out.complete({})}, tmp_path)
    ranked = RankedFront.load(found, "1")
    assert 2 <= len(ranked.genomes) <= 4
    assert ranked.genomes[ranked.dense].all()
    assert ranked.costs[ranked.dense].tolist() == [8.0]


def test_points_without_a_finite_loss_are_left_out(
    artefacts: dict[str, Artefact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(self: Scorer, genomes: np.ndarray, *_: object, **__: object) -> list[Score]:
        return [Score(float("nan") if row == 1 else 1.0 + row, 0.5) for row in range(len(genomes))]

    monkeypatch.setattr(Scorer, "score", score)
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    found = run_stage("rank", tiny_context(), artefacts, tmp_path)
    logger.remove(sink)
    assert said == ["rank: left out because their loss is not finite: 1 network\n"]
    expected = RankedFront.load(artefacts["rank"], "1")
    ranked = RankedFront.load(found, "1")
    np.testing.assert_array_equal(ranked.genomes, expected.genomes[1:])
    assert ranked.impairment[:-1].tolist() == [row + 2.0 for row in range(len(ranked.genomes) - 1)]
