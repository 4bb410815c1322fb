"""One row of a comparison: a method, a target and a seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Row:
    """The figures of one pruned network. Accuracies are shares of correct answers, from 0 to 1."""

    method: str
    """Name of the spec, or label of the baseline."""
    baseline: Mapping[str, Any] | None
    """The baseline with its parameters; None for the search of a spec."""
    target: str
    """Name of the target."""
    seed: int
    """Seed of the dense network, of the choice and of fine-tuning."""
    macs: int
    """Multiply-accumulates for one image."""
    params: int
    """Number of parameters."""
    macs_share: float
    """MACs divided by those of the dense network."""
    params_share: float
    """Parameters divided by those of the dense network."""
    dense_accuracy: float
    """Of the dense network on test images."""
    accuracy_before: float
    """After recalibration and before fine-tuning, on test images."""
    accuracy: float
    """After fine-tuning, on test images."""
    validation_before: float
    """Accuracy before fine-tuning on validation images."""
    validation: float
    """Accuracy after fine-tuning on validation images."""
    search_seconds: float
    """All that leads from the pretrained network to a genome; for a search, constraint training, selectors, ranking and
    measuring included."""
    searches_seconds: float
    """The searches alone."""
    tuning_seconds: float
    """Recalibration and fine-tuning."""
    evaluations: int
    """Number of candidates that were evaluated."""
    training_epochs: float
    """Passes over the training images after pre-training: fine-tuning, and constraint training where there is one."""
    epoch: int
    """Epochs of fine-tuning that the best state has seen."""

    @property
    def file(self) -> str:
        """Its path in the folder of the comparison."""
        return f"rows/{self.method}_{self.target}_seed-{self.seed}.json"

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON."""
        return asdict(self)
