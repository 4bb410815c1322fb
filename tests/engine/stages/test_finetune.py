"""The pruned network of one target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.engine.results.networks import FinetunedNetwork
from emopms.engine.results.schemes import MeasuredSchemes
from emopms.engine.results.score import Score
from emopms.engine.stages.finetune import Finetune, describe
from tests.engine.contexts import run_stage, stage

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


def test_the_best_scheme_within_the_bound_is_pruned(context: Context, artefacts: dict[str, Artefact]) -> None:
    found = FinetunedNetwork.load(artefacts["finetune/macs-0.6"])
    measured = MeasuredSchemes.load(artefacts["measure"]).with_more(MeasuredSchemes.load(artefacts["aim/macs-0.6"]))
    within = measured.macs <= 0.6 * measured.macs[measured.dense]
    best = np.flatnonzero(within)[measured.loss[within].argmin()]
    np.testing.assert_array_equal(found.genome, measured.genomes[best])
    for layer in context.constrained(artefacts["constrain"]).costs.by_layer(found.genome):
        assert len(found.state[f"{layer.name}.weight"]) == layer.kept_channels


def test_a_genome_that_was_picked_is_taken_as_it_is(
    context: Context, artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    picked = MeasuredSchemes.load(artefacts["measure"]).genomes[0]
    usual = stage("finetune/macs-0.6", context)
    assert isinstance(usual, Finetune)
    name = "finetune/scheme-0"
    made = Finetune(name=name, inputs=usual.inputs, settings={}, goal=picked, slug="scheme-0")
    found = FinetunedNetwork.load(run_stage(made, context, artefacts, tmp_path))
    np.testing.assert_array_equal(found.genome, picked)
    assert found.meets_target


@pytest.mark.parametrize(
    ("epoch", "epochs", "said"),
    [
        (0, 0, "65.00% without fine-tuning"),
        (
            0,
            2,
            "65.00%: 2 epochs of fine-tuning did not help, so the state before is kept; a lower `finetune.lr` may help",
        ),
        (1, 1, "65.00% before and 70.00% after 1 of 1 epoch"),
    ],
)
def test_the_log_says_whether_fine_tuning_helped(epoch: int, epochs: int, said: str) -> None:
    genome, after = np.ones(1, dtype=np.bool_), Score(1.0, 0.7 if epoch else 0.65)
    tuned = FinetunedNetwork({}, {}, genome, Score(1.0, 0.65), after, epoch=epoch, meets_target=True)
    assert describe(tuned, epochs) == said
