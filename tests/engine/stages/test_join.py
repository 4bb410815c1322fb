"""Joining fronts: what the ranker chooses becomes genomes of the whole network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from emopms.api import JointSchemes, Ranker
from emopms.engine.results.front import RankedFront
from emopms.engine.results.schemes import JoinSummary, Schemes
from emopms.errors import ComponentError
from tests.engine.contexts import run_stage, tiny_context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emopms.api import SubFront
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


def test_schemes_take_a_point_of_each_front(context: Context, artefacts: dict[str, Artefact]) -> None:
    divided = context.constrained(artefacts["constrain"])
    fronts = [RankedFront.load(artefacts["rank"], sub.name) for sub in divided.searched]
    schemes = Schemes.load(artefacts["join"])
    edges = np.cumsum([sub.channels.genes for sub in divided.searched])[:-1]
    for genome, impairment, costs in zip(schemes.genomes, schemes.impairment, schemes.costs, strict=True):
        rows = [
            int((front.genomes == part).all(axis=1).argmax())
            for front, part in zip(fronts, np.split(genome, edges), strict=True)
        ]
        chosen = list(zip(fronts, rows, strict=True))
        assert all(
            (front.genomes[row] == part).all()
            for (front, row), part in zip(chosen, np.split(genome, edges), strict=True)
        )
        assert impairment == pytest.approx(sum(front.impairment[row] for front, row in chosen))
        assert costs[0] == pytest.approx(sum(front.costs[row, 0] for front, row in chosen))
    assert schemes.genomes[schemes.dense].all()
    assert schemes.impairment[schemes.dense] == 0
    assert not schemes.genomes[: schemes.dense].all(axis=1).any(), "the dense network occurs once"
    assert (np.diff(schemes.costs[:, 0]) >= 0).all()
    assert len(schemes.genomes) - 1 <= context.spec.schemes


@pytest.mark.parametrize("wanted", [1, 3])
def test_as_many_schemes_are_kept_as_the_spec_asks_for(
    wanted: int, artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    found = run_stage("join", tiny_context(schemes=wanted), artefacts, tmp_path)
    assert len(Schemes.load(found).genomes) <= wanted + 1
    assert JoinSummary.load(found) == JoinSummary.load(artefacts["join"]), "the ranker found as many as before"
    assert JoinSummary.load(found).joint_schemes > 3


class Odd(Ranker):
    """A ranker that returns what it is told to."""

    name: Literal["odd"] = "odd"
    kind: str

    def join(self, fronts: Sequence[SubFront]) -> Any:
        if self.kind == "raises":
            raise ValueError("no scheme")
        choices = np.zeros((2, len(fronts) - (self.kind == "choices")), dtype=np.intp)
        costs = np.zeros((2, 1 + (self.kind == "costs")))
        return JointSchemes(
            choices * (1.0 if self.kind == "numbers" else 1), np.zeros(2 + (self.kind == "loss")), costs
        )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("raises", "no scheme"),
        ("choices", r"shape \[2, 2\] instead of integers \[any, 3\]"),
        ("numbers", "float64"),
        ("loss", r"shape \[3\] instead of numbers \[2\]"),
        ("costs", r"shape \[2, 2\] instead of numbers \[2, 1\]"),
    ],
)
def test_a_ranker_that_fails_is_named(kind: str, message: str, artefacts: dict[str, Artefact], tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match=f"ranker 'odd' .* failed to join the fronts: .*{message}"):
        run_stage("join", tiny_context(ranker=Odd(kind=kind)), artefacts, tmp_path)
