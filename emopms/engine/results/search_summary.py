"""The summary of a search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emopms.engine.results.stored import Summary

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    history: Sequence[Sequence[float]] = field(default_factory=list)
    """After each generation: the number of distinct candidates evaluated up to then, and the hypervolume of the front.
    Empty if it was not stored."""
