"""Measuring schemes on validation images: which are kept, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from loguru import logger

from emopms.api import Cost
from emopms.engine.results.schemes import MeasuredSchemes, MeasureSummary, Schemes
from emopms.engine.results.score import Score
from emopms.engine.session.scoring import Scorer
from emopms.engine.storage.store import Store
from emopms.errors import RunError
from emopms.pareto import nondominated
from tests.engine.contexts import run_stage, stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.api import Task
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


def test_values_are_those_of_the_pruned_networks(context: Context, artefacts: dict[str, Artefact]) -> None:
    divided = context.constrained(artefacts["constrain"])
    found, refined = MeasuredSchemes.load(artefacts["measure"]), Schemes.load(artefacts["refine"])
    scores = Scorer(divided.whole, context.image_sets.validation, context.device).score(found.genomes)
    np.testing.assert_allclose(found.loss, [each.loss for each in scores], rtol=1e-6)
    assert found.accuracy.tolist() == [each.accuracy for each in scores]
    np.testing.assert_array_equal(found.macs, divided.costs.macs(found.genomes))
    np.testing.assert_array_equal(found.params, divided.costs.params(found.genomes))
    np.testing.assert_array_equal(found.costs[:, 0], found.macs)
    np.testing.assert_allclose(found.predicted_loss, found.loss[found.dense] + refined.impairment)


def test_schemes_are_in_order_of_cost_and_the_front_is_marked(artefacts: dict[str, Artefact]) -> None:
    found = MeasuredSchemes.load(artefacts["measure"])
    assert (np.diff(found.costs[:, 0]) >= 0).all()
    assert found.genomes[found.dense].all()
    points = np.column_stack([found.loss, found.costs])
    assert np.flatnonzero(found.on_front).tolist() == sorted(nondominated(points).tolist())
    summary = MeasureSummary.load(artefacts["measure"])
    assert summary.measured == len(found.loss)
    assert -1 <= summary.kendall_tau <= 1
    assert summary.hypervolume_reference == pytest.approx((np.log(10), 1.0))
    assert 0 < summary.hypervolume < np.log(10)


def test_networks_without_a_finite_loss_are_left_out(
    artefacts: dict[str, Artefact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(self: Scorer, genomes: np.ndarray, *_: object, **__: object) -> list[Score]:
        return [Score(float("inf") if row == 0 else 2.0, 0.5) for row in range(len(genomes))]

    monkeypatch.setattr(Scorer, "score", score)
    found = run_stage("measure", tiny_context(), artefacts, tmp_path)
    before = Schemes.load(artefacts["refine"])
    np.testing.assert_array_equal(MeasuredSchemes.load(found).genomes, before.genomes[1:])
    assert MeasureSummary.load(found).measured == len(before.genomes) - 1


class Partial(Cost):
    """A cost that cannot be evaluated for some networks."""

    name: Literal["partial"] = "partial"
    dense: bool = True

    def evaluate(self, genomes: np.ndarray, task: Task) -> Any:
        kept = genomes.mean(axis=1)
        failed = genomes.all(axis=1) if not self.dense else kept == kept.min()
        return np.where(failed, np.nan, kept)


def test_networks_without_finite_costs_are_left_out(artefacts: dict[str, Artefact], tmp_path: Path) -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    context = tiny_context(objectives=["capability", "macs", Partial()])
    found = MeasuredSchemes.load(run_stage("measure", context, artefacts, tmp_path))
    logger.remove(sink)
    assert len(found.genomes) < len(Schemes.load(artefacts["refine"]).genomes)
    assert np.isfinite(found.costs).all()
    assert "cannot be evaluated: 1 network. The first failure: Objective 'partial' returned nan" in said[-1]


def test_the_dense_network_must_have_costs(artefacts: dict[str, Artefact], tmp_path: Path) -> None:
    context = tiny_context(objectives=["capability", "macs", Partial(dense=False)])
    with pytest.raises(RunError, match="costs of the dense network cannot be evaluated: Objective 'partial'"):
        run_stage("measure", context, artefacts, tmp_path)


def test_an_interrupted_measurement_resumes_from_its_journal(
    context: Context, artefacts: dict[str, Artefact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Store(tmp_path).begin("measure", "key")
    stage("measure", context).run(context, artefacts, out)
    assert out.journal("measured").numbers()
    monkeypatch.setattr("emopms.engine.session.scoring.parallel_map", lambda *_: pytest.fail("measured again"))
    again = Store(tmp_path).begin("measure", "key")
    stage("measure", context).run(context, artefacts, again)
    assert again.complete({}).meta["files"] == artefacts["measure"].meta["files"]
