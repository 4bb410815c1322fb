"""States of networks and of criteria, with what was measured of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from emopms.engine.results.score import Score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from emopms.engine.storage.store import Artefact, Workspace


@dataclass(frozen=True)
class DenseNetwork:
    """The dense network after pre-training, or after constraint training."""

    state: Mapping[str, Tensor]
    """State dict."""
    score: Score
    """On validation images."""

    def save(self, out: Workspace) -> None:
        """Store it as ``network.safetensors`` and ``score.json``."""
        out.save_tensors("network", self.state)
        out.save_json("score", asdict(self.score))

    @classmethod
    def load(cls, artefact: Artefact) -> DenseNetwork:
        """Read what `save` stored."""
        return cls(artefact.tensors("network"), Score(**artefact.json("score")))


@dataclass(frozen=True)
class CriteriaState:
    """The trained criteria, one a sub-network."""

    state: Mapping[str, Tensor]
    """State dict of their `nn.ModuleList`."""

    def save(self, out: Workspace) -> None:
        """Store it as ``judges.safetensors``, the name that runs of version 0.1 gave it."""
        out.save_tensors("judges", self.state)

    @classmethod
    def load(cls, artefact: Artefact) -> CriteriaState:
        """Read what `save` stored."""
        return cls(artefact.tensors("judges"))


@dataclass(frozen=True)
class FinetunedNetwork:
    """The pruned network of one target."""

    recalibrated: Mapping[str, Tensor]
    """State dict before fine-tuning, batch norm recalibrated."""
    state: Mapping[str, Tensor]
    """State dict after fine-tuning."""
    scheme: int
    """Row of its genome in `MeasuredSchemes`."""
    before: Score
    """Before fine-tuning, on validation images."""
    after: Score
    """After it."""

    def save(self, out: Workspace) -> None:
        """Store it as ``recalibrated.safetensors``, ``network.safetensors`` and ``choice.json``."""
        out.save_tensors("recalibrated", self.recalibrated)
        out.save_tensors("network", self.state)
        out.save_json("choice", {"scheme": self.scheme, "before": asdict(self.before), "after": asdict(self.after)})

    @classmethod
    def load(cls, artefact: Artefact) -> FinetunedNetwork:
        """Read what `save` stored."""
        choice = artefact.json("choice")
        return cls(
            recalibrated=artefact.tensors("recalibrated"),
            state=artefact.tensors("network"),
            scheme=choice["scheme"],
            before=Score(**choice["before"]),
            after=Score(**choice["after"]),
        )
