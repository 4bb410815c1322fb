"""The summary of a search."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True)
class SearchSummary:
    """Numbers of candidates and generations of one search."""

    evaluations: int
    """Number of distinct candidates that were evaluated."""
    asked: int
    """Number of candidates that the algorithm asked for, repetitions included."""
    generations: int
    """Number of generations."""
    failed: int
    """Number of evaluations that failed."""
    first_failure: str
    """Reason of the first failure; empty if there is none."""

    def save(self, out: Workspace) -> None:
        """Store the summary as ``search.json``."""
        out.save_json("search", asdict(self))

    @classmethod
    def load(cls, artefact: Artefact) -> SearchSummary:
        """Load the summary that `save` stored."""
        return cls(**artefact.json("search"))
