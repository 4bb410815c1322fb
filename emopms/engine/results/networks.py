"""The state dicts of networks and of selector criteria, with the scores of the networks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from emopms.engine.results.score import Score

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True)
class DenseNetwork:
    """The dense network after pre-training or after constraint training."""

    state: Mapping[str, Tensor]
    """State dict of the dense network."""
    score: Score
    """Score of the dense network on validation images."""
    given: Score | None = None
    """Score of the weights that the spec names, before any training; None if the spec names no weights."""

    def save(self, out: Workspace) -> None:
        """Store the network as ``network.safetensors``, ``score.json`` and, if weights are given, ``given.json``."""
        out.save_tensors("network", self.state)
        out.save_json("score", asdict(self.score))
        if self.given is not None:
            out.save_json("given", asdict(self.given))

    @classmethod
    def load(cls, artefact: Artefact) -> DenseNetwork:
        """Load the network that `save` stored."""
        given = Score(**artefact.json("given")) if "given.json" in artefact.files else None
        return cls(artefact.tensors("network"), Score(**artefact.json("score")), given)


@dataclass(frozen=True)
class CriteriaState:
    """The trained selector criteria: for each sub-network, the loss S_i that evaluates its features."""

    state: Mapping[str, Tensor]
    """State dict of the `nn.ModuleList` of all criteria."""

    def save(self, out: Workspace) -> None:
        """Store the criteria as ``judges.safetensors``, the file name that version 0.1 used."""
        out.save_tensors("judges", self.state)

    @classmethod
    def load(cls, artefact: Artefact) -> CriteriaState:
        """Load the criteria that `save` stored."""
        return cls(artefact.tensors("judges"))


@dataclass(frozen=True)
class FinetunedNetwork:
    """The pruned network of one target."""

    recalibrated: Mapping[str, Tensor]
    """State dict of the pruned network after recalibration or reconstruction, before fine-tuning."""
    state: Mapping[str, Tensor]
    """State dict of the pruned network after fine-tuning."""
    genome: NDArray[np.bool_]
    """Genome [genes] of the pruned network; True keeps a channel."""
    before: Score
    """Score of the pruned network before fine-tuning, on validation images."""
    after: Score
    """Score of the pruned network after fine-tuning, on validation images."""
    epoch: int
    """Number of fine-tuning epochs before ``state`` was saved; 0 if no epoch improved the network."""
    meets_target: bool
    """Whether the accuracy after fine-tuning is within the bound of the target."""

    def save(self, out: Workspace) -> None:
        """Store the network as ``recalibrated.safetensors``, ``network.safetensors``, ``genome.npz`` and
        ``choice.json``."""
        out.save_tensors("recalibrated", self.recalibrated)
        out.save_tensors("network", self.state)
        out.save_arrays("genome", genome=self.genome)
        choice = {"epoch": self.epoch, "meets_target": self.meets_target}
        out.save_json("choice", {**choice, "before": asdict(self.before), "after": asdict(self.after)})

    @classmethod
    def load(cls, artefact: Artefact) -> FinetunedNetwork:
        """Load the network that `save` stored."""
        choice = artefact.json("choice")
        return cls(
            recalibrated=artefact.tensors("recalibrated"),
            state=artefact.tensors("network"),
            genome=artefact.arrays("genome")["genome"],
            before=Score(**choice["before"]),
            after=Score(**choice["after"]),
            epoch=choice["epoch"],
            meets_target=choice["meets_target"],
        )
