"""What a search took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emopms.engine.storage.store import Artefact, Workspace


@dataclass(frozen=True)
class SearchSummary:
    """Numbers of candidates and generations of one search."""

    evaluations: int
    """Distinct candidates that were evaluated."""
    asked: int
    """Candidates that the algorithm asked for; the others were known already."""
    generations: int
    failed: int
    """Evaluations that gave no finite value."""
    first_failure: str
    """Reason of the first of these; empty where there is none."""

    def save(self, out: Workspace) -> None:
        """Store it as ``search.json``."""
        out.save_json("search", asdict(self))

    @classmethod
    def load(cls, artefact: Artefact) -> SearchSummary:
        """Read what `save` stored."""
        return cls(**artefact.json("search"))
