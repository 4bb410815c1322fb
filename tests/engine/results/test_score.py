"""Scores of networks."""

from __future__ import annotations

from dataclasses import asdict

from emopms.engine.results.score import Score


def test_scores_are_values() -> None:
    score = Score(loss=0.5, accuracy=0.75)
    assert score == Score(**asdict(score))
    assert score != Score(loss=0.5, accuracy=0.76)
    assert len({score, Score(loss=0.5, accuracy=0.75)}) == 1
