"""The fronts of single searches. A point of a front is a pruned sub-network. Every front also contains the dense point
(the unpruned sub-network), even if another point dominates it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from emopms.api import SubFront
from emopms.engine.results.stored import Points, StoredPoints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True)
class Front(StoredPoints):
    """The non-dominated candidates of one search, and the dense sub-network in the last row."""

    _file = "front"

    genomes: NDArray[np.bool_]
    """Genomes [p, genes] of the points, which are pruned sub-networks; True keeps a channel."""
    objectives: NDArray[np.float64]
    """Objective values [p, m] of the points, which are pruned sub-networks; columns in the order of the spec's
    objectives."""

    @classmethod
    def with_dense(
        cls,
        genomes: NDArray[np.bool_],
        objectives: NDArray[np.float64],
        dense_genome: NDArray[np.bool_],
        dense_objectives: NDArray[np.float64],
    ) -> Self:
        """Return a front that contains the dense point (the unpruned sub-network) exactly once, in its last row.

        Args:
            genomes: Non-dominated genomes [p, genes]. One of them may be ``dense_genome``.
            objectives: Objective values [p, m] of ``genomes``.
            dense_genome: The genome [genes] that keeps all channels.
            dense_objectives: Objective values [m] of ``dense_genome``.
        """
        pruned = ~(genomes == dense_genome).all(axis=1)
        return cls(
            np.concatenate([genomes[pruned], dense_genome[None, :]]),
            np.concatenate([objectives[pruned], dense_objectives[None, :]]),
        )


@dataclass(frozen=True)
class RankedFront(Points):
    """Points of one front, which are pruned sub-networks. Each was measured in the whole network, whose other channels
    were not pruned. The dense point (the unpruned sub-network) is in the last row."""

    genomes: NDArray[np.bool_]
    """Genomes [p, genes] of the points, which are pruned sub-networks; True keeps a channel."""
    impairment: NDArray[np.float64]
    """Impairments δ_i(m) [p]: the increase in the loss of the whole network if only the point m of search i prunes it.
    The impairment of the dense point (the unpruned sub-network) is 0."""
    costs: NDArray[np.float64]
    """Costs [p, k] of the points, which are pruned sub-networks; one column for each cost objective."""

    @property
    def sub_front(self) -> SubFront:
        """The impairments and costs of the pruned sub-networks on the front, in the form that rankers receive. A ranker
        combines the fronts of all searches."""
        return SubFront(self.impairment, self.costs)

    def save(self, out: Workspace, search: str) -> None:
        """Store the ranked front of a search as ``front-<search>.npz``."""
        self._save(out, f"front-{search}")

    @classmethod
    def load(cls, artefact: Artefact, search: str) -> Self:
        """Load the ranked front that `save` stored for a search."""
        return cls._load(artefact, f"front-{search}")
