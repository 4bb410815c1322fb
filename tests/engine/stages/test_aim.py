"""The search near the bounds of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.engine.results.networks import DenseNetwork
from emopms.engine.results.schemes import MeasuredSchemes, Schemes
from emopms.engine.results.search_summary import SearchSummary
from emopms.engine.session.scoring import Scorer
from emopms.engine.stages.aim import Aim
from emopms.engine.storage.store import Store
from emopms.errors import RunError
from emopms.spec import Target
from tests.engine.contexts import run_stage, stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact

INPUTS = ("pretrain", "constrain", "refine", "measure")


def test_all_found_schemes_are_just_within_the_bound(context: Context, artefacts: dict[str, Artefact]) -> None:
    found, known = MeasuredSchemes.load(artefacts["aim/macs-0.6"]), MeasuredSchemes.load(artefacts["measure"])
    costs, bound = context.constrained(artefacts["constrain"]).costs, 0.6 * known.macs[known.dense]
    assert (found.macs[found.pruned] <= bound).all()
    widest = np.abs(costs.macs_by_gene).max()
    assert (found.macs[found.pruned] > bound - 2 * widest).all(), "no further channel fits"
    assert found.genomes[found.dense].all()
    assert 1 <= len(found.loss) - 1 <= 8


def test_it_is_at_least_as_good_as_the_front_on_ranking_images(
    context: Context, artefacts: dict[str, Artefact]
) -> None:
    found, refined = MeasuredSchemes.load(artefacts["aim/macs-0.6"]), Schemes.load(artefacts["refine"])
    divided = context.constrained(artefacts["constrain"])
    within = divided.costs.macs(refined.genomes) <= 0.6 * divided.costs.macs(divided.whole.dense[None])
    scorer = Scorer(divided.whole, context.image_sets.ranking, context.device)
    losses = [min(s.loss for s in scorer.score(genomes)) for genomes in (found.genomes[:-1], refined.genomes[within])]
    assert losses[0] <= losses[1]


def test_candidates_are_counted_as_evaluations(artefacts: dict[str, Artefact]) -> None:
    summary = SearchSummary.load(artefacts["aim/macs-0.6"])
    assert summary.generations == 4
    assert 1 < summary.evaluations <= 1 + 4 * 32
    assert summary.failed == 0


@pytest.mark.slow
def test_an_interrupted_search_resumes_from_its_log(
    context: Context, artefacts: dict[str, Artefact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Store(tmp_path).begin("aim/macs-0.6", "key")
    stage("aim/macs-0.6", context).run(context, artefacts, out)
    assert out.journal("judged").numbers()
    monkeypatch.setattr("emopms.engine.session.scoring.parallel_map", lambda *_: pytest.fail("measured again"))
    again = Store(tmp_path).begin("aim/macs-0.6", "key")
    stage("aim/macs-0.6", context).run(context, artefacts, again)
    assert again.complete({}).meta["files"] == artefacts["aim/macs-0.6"].meta["files"]


def test_a_target_that_cannot_be_met_ends_the_run_before_any_fine_tuning(
    artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    context = tiny_context(aim=1)
    lossless = Target(macs=0.2, accuracy_drop=0.0)
    assert DenseNetwork.load(artefacts["pretrain"]).score.accuracy > 0.3
    made = Aim(name="aim/x", inputs=INPUTS, settings={}, target=lossless, found_by="refine")
    with pytest.raises(RunError, match="No scheme that the search found meets the target"):
        run_stage(made, context, artefacts, tmp_path)
