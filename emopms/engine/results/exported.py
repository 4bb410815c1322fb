"""The figures of dense and pruned networks, measured on test images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    def save(self, out: Workspace) -> None:
        """Store the figures as ``figures.json``."""
        out.save_json("figures", asdict(self))

    @classmethod
    def load(cls, artefact: Artefact) -> Self:
        """Load the figures that `save` stored."""
        return cls(**artefact.json("figures"))


@dataclass(frozen=True, kw_only=True)
class ExportedModel(ModelFigures):
    """Loss, accuracy and costs of one pruned model."""

    target: str
    """Name of the target, and of the model's folder below ``models/``."""
    accuracy_before_finetune: float
    """Share of correct answers on test images after pruning and recalibration or reconstruction, but before
    fine-tuning, from 0 to 1."""
    epoch: int
    """Number of fine-tuning epochs of the model; 0 if the network before fine-tuning was best."""
    meets_target: bool
    """Whether the model's accuracy on validation images, and its costs measured again, are within the bounds of the
    target."""
    costs: Mapping[str, float]
    """Costs of the model by the name of the cost objective, measured again."""
    dense_costs: Mapping[str, float]
    """The same costs of the dense network, measured at the same time."""
