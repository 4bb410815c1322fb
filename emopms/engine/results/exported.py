"""The results of the ``export`` stage, measured on test images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class ModelFigures:
    """Loss, accuracy and costs of a network on test images."""

    loss: float
    """Mean cross-entropy of the network on test images."""
    accuracy: float
    """Share of correct answers of the network on test images, from 0 to 1."""
    balanced_accuracy: float
    """Mean, over all classes, of the share of correct answers among the test images of the class, from 0 to 1."""
    recall: Sequence[float | None]
    """Share of correct answers among the images of each class; None for a class without test images."""
    macs: int
    """Multiply-accumulates of the network for one image."""
    params: int
    """Number of parameters of the network."""
    not_counted: Sequence[str]
    """Kinds of layers in the network whose multiply-accumulates are not counted in ``macs``."""


@dataclass(frozen=True, kw_only=True)
class ExportedModel(ModelFigures):
    """Loss, accuracy and costs of the model of one target."""

    target: str
    """Name of the target, and of the model's folder below ``models/``."""
    scheme: int
    """Row of the model's genome in `MeasuredSchemes`."""
    accuracy_before_finetune: float
    """Share of correct answers on test images after pruning and recalibration or reconstruction, but before
    fine-tuning, from 0 to 1."""
    epoch: int
    """Number of fine-tuning epochs of the model; 0 if the network before fine-tuning was best."""
    meets_target: bool
    """Whether the model's accuracy on validation images falls by at most the target's ``accuracy_drop``."""


@dataclass(frozen=True)
class Exports:
    """The figures of the dense network and of all models."""

    dense: ModelFigures
    models: Sequence[ExportedModel]
    """The figures of the model of each target, in the order of the spec."""

    def save(self, out: Workspace) -> None:
        """Store the figures as ``scores.json``."""
        out.save_json("scores", {"dense": _json(self.dense), "models": [_json(model) for model in self.models]})

    @classmethod
    def load(cls, artefact: Artefact) -> Exports:
        """Load the figures that `save` stored."""
        scores = artefact.json("scores")
        return cls(ModelFigures(**scores["dense"]), [ExportedModel(**model) for model in scores["models"]])


def _json(figures: ModelFigures) -> dict[str, Any]:
    return {**asdict(figures), "recall": list(figures.recall), "not_counted": list(figures.not_counted)}
