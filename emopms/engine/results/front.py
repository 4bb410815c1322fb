"""The fronts of single searches. Every front contains the dense point (the unpruned network), even if another point
dominates it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from emopms.api import SubFront
from emopms.engine.results.stored import Points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True)
class Front(Points):
    """The non-dominated candidates of one search, and the dense sub-network in the last row."""

    genomes: NDArray[np.bool_]
    """Genomes [p, genes] of the points; True keeps a channel."""
    objectives: NDArray[np.float64]
    """Objectives [p, m] of the points, in the order of the spec's objectives."""

    @classmethod
    def with_dense(
        cls,
        genomes: NDArray[np.bool_],
        objectives: NDArray[np.float64],
        dense_genome: NDArray[np.bool_],
        dense_objectives: NDArray[np.float64],
    ) -> Self:
        """Return a front that contains the dense point exactly once, in its last row.

        Args:
            genomes: Non-dominated genomes [p, genes]. They may contain the dense genome.
            objectives: Objectives [p, m] of ``genomes``.
            dense_genome: Dense genome [genes].
            dense_objectives: Objectives [m] of the dense genome.
        """
        pruned = ~(genomes == dense_genome).all(axis=1)
        return cls(
            np.concatenate([genomes[pruned], dense_genome[None, :]]),
            np.concatenate([objectives[pruned], dense_objectives[None, :]]),
        )

    def save(self, out: Workspace) -> None:
        """Store the front as ``front.npz``."""
        self._save(out, "front")

    @classmethod
    def load(cls, artefact: Artefact) -> Self:
        """Load the front that `save` stored."""
        return cls._load(artefact, "front")


@dataclass(frozen=True)
class RankedFront(Points):
    """Points of one front, each measured in a network that is dense elsewhere. The dense point is in the last row."""

    genomes: NDArray[np.bool_]
    """Genomes [p, genes] of the points; True keeps a channel."""
    impairment: NDArray[np.float64]
    """δ_i(m) [p]: the increase in the loss of the whole network. It is 0 for the dense point."""
    costs: NDArray[np.float64]
    """Costs [p, k] of the points, one column for each cost objective."""

    @property
    def sub_front(self) -> SubFront:
        """The impairments and costs in the form that rankers receive."""
        return SubFront(self.impairment, self.costs)

    def save(self, out: Workspace, search: str) -> None:
        """Store the points of a search as ``front-<search>.npz``."""
        self._save(out, f"front-{search}")

    @classmethod
    def load(cls, artefact: Artefact, search: str) -> Self:
        """Load the points that `save` stored for a search."""
        return cls._load(artefact, f"front-{search}")
