"""What the ``export`` stage measured on test images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emopms.engine.storage.store import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class ModelFigures:
    """Figures of a network on test images, and what it costs."""

    loss: float
    accuracy: float
    macs: int
    """For one image."""
    params: int
    not_counted: Sequence[str]
    """Kinds of layers that ``macs`` leaves out."""


@dataclass(frozen=True, kw_only=True)
class ExportedModel(ModelFigures):
    """Figures of the model of one target."""

    target: str
    """Name of the target, and of the model's folder below ``models/``."""
    scheme: int
    """Row of its genome in `MeasuredSchemes`."""
    accuracy_before_finetune: float


@dataclass(frozen=True)
class Exports:
    """Figures of the dense network and of all models."""

    dense: ModelFigures
    models: Sequence[ExportedModel]

    def save(self, out: Workspace) -> None:
        """Store them as ``scores.json``."""
        out.save_json("scores", {"dense": _json(self.dense), "models": [_json(model) for model in self.models]})

    @classmethod
    def load(cls, artefact: Artefact) -> Exports:
        """Read what `save` stored."""
        scores = artefact.json("scores")
        return cls(ModelFigures(**scores["dense"]), [ExportedModel(**model) for model in scores["models"]])


def _json(figures: ModelFigures) -> dict[str, Any]:
    return {**asdict(figures), "not_counted": list(figures.not_counted)}
