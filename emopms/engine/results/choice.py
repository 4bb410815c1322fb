"""The genome that a baseline chose. A baseline is a pruning method that searches are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True)
class Choice:
    """The genome of the whole network that a baseline (a pruning method that searches are compared with) chose."""

    genome: NDArray[np.bool_]
    """The chosen genome [genes]; True keeps a channel."""
    evaluations: int
    """Number of distinct genomes whose loss the baseline measured before it chose."""

    def save(self, out: Workspace) -> None:
        """Store the chosen genome as ``genome.npz`` and ``choice.json``."""
        out.save_arrays("genome", genome=self.genome)
        out.save_json("choice", {"evaluations": self.evaluations})

    @classmethod
    def load(cls, artefact: Artefact) -> Choice:
        """Load the chosen genome that `save` stored."""
        return cls(artefact.arrays("genome")["genome"], artefact.json("choice")["evaluations"])
