"""The genome that a baseline chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True)
class Choice:
    """A genome of the whole network."""

    genome: NDArray[np.bool_]
    """[genes]; True keeps a channel."""
    evaluations: int
    """Number of distinct genomes whose loss was measured."""

    def save(self, out: Workspace) -> None:
        """Store the choice as ``genome.npz`` and ``choice.json``."""
        out.save_arrays("genome", genome=self.genome)
        out.save_json("choice", {"evaluations": self.evaluations})

    @classmethod
    def load(cls, artefact: Artefact) -> Choice:
        """Load the choice that `save` stored."""
        return cls(artefact.arrays("genome")["genome"], artefact.json("choice")["evaluations"])
