"""The search of one sub-network: its front, its resumption, and the features that it leaves for the next search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from loguru import logger

from emopms.engine.results.front import Front
from emopms.engine.results.search_summary import SearchSummary
from emopms.engine.stages.evolve import max_evaluations
from emopms.engine.storage.store import Store
from emopms.pareto import nondominated
from tests.engine.contexts import run_stage, stage, tiny_context, tiny_parts

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_front_is_one_of_its_sub_network(context: Context, artefacts: dict[str, Artefact], index: int) -> None:
    artefact = artefacts[f"evolve/{index + 1}"]
    front, sub = Front.load(artefact), context.constrained(artefacts["constrain"]).searched[index]
    assert front.genomes[front.dense].all()
    pruned = front.objectives[front.pruned]
    assert len(nondominated(pruned)) == len(pruned)
    np.testing.assert_array_equal(front.objectives[:, 1], sub.costs.macs(front.genomes))
    summary = SearchSummary.load(artefact)
    assert len(front.genomes) <= summary.evaluations <= summary.asked == 1 + 8 * 4
    assert (summary.generations, summary.failed, summary.first_failure) == (4, 0, "")


def test_each_search_leaves_its_outputs_for_the_next_one(
    context: Context, artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    run_stage("evolve/1", context, artefacts, tmp_path)
    features = context.boundary_features.take(1)
    assert features is not None
    images, _ = next(context.image_sets.calibration.batches(128))
    with torch.no_grad():
        expected = context.constrained(artefacts["constrain"]).parts[0].forward(images)
    torch.testing.assert_close(features, expected)
    context.boundary_features.put(1, features)
    again = run_stage("evolve/2", context, artefacts, tmp_path)
    assert again.meta["files"] == artefacts["evolve/2"].meta["files"]
    assert context.boundary_features.take(1) is None
    run_stage("evolve/3", context, artefacts, tmp_path)
    assert context.boundary_features.take(3) is None, "no search follows the last one"


def test_an_interrupted_search_resumes_from_its_log(
    context: Context, artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    out = Store(tmp_path).begin("evolve/1", "key")
    stage("evolve/1", context).run(context, artefacts, out)  # its log stays until the stage is complete
    evaluated: list[int] = []

    def count(genomes: np.ndarray, task: object) -> None:
        evaluated.append(len(genomes))

    assert len(out.journal("judged").numbers()) > 1
    again = Store(tmp_path).begin("evolve/1", "key")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emopms.builtin.objective.capability.Capability.evaluate", lambda _, g, t: count(g, t))
        stage("evolve/1", context).run(context, artefacts, again)
    assert evaluated == []
    assert again.complete({}).meta["files"] == artefacts["evolve/1"].meta["files"]


def test_how_candidates_are_run_is_for_those_who_debug(
    context: Context, artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="DEBUG", format="{level} {message}")
    run_stage("evolve/1", context, artefacts, tmp_path)
    logger.remove(sink)
    (line,) = [line for line in said if "candidates are run" in line]
    assert line.startswith("DEBUG evolve/1: ")


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({}, 1 + 8 * 4),
        ({"algorithm": {"name": "random", "pop_size": 8, "generations": 100}}, 2**8 - 1),
        ({"genome": {"coding": "widths"}}, 8),
    ],
    ids=["the algorithm ends first", "the space is exhausted", "a space of eight widths"],
)
def test_neither_more_is_evaluated_than_asked_for_nor_than_there_is(changes: dict[str, object], most: int) -> None:
    assert max_evaluations(tiny_context(**changes), tiny_parts(**changes)[0]) == most
