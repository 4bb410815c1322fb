"""The summary of a search."""

from __future__ import annotations

from dataclasses import dataclass

from emopms.engine.results.stored import Summary


@dataclass(frozen=True)
class SearchSummary(Summary):
    """Numbers of candidates and generations of one search."""

    _file = "search"

    evaluations: int
    """Number of distinct candidates that were evaluated."""
    asked: int
    """Number of candidates that the algorithm asked for, repetitions included."""
    generations: int
    """Number of generations of the search."""
    failed: int
    """Number of candidates whose evaluation failed."""
    first_failure: str
    """Reason why the first of the failed evaluations failed; empty if no evaluation failed."""
