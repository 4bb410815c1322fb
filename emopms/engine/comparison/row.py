"""One row of a comparison: the figures for one pruning method, one target and one seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Row:
    """The figures of one pruned network. Accuracies are shares of correct answers, from 0 to 1."""

    method: str
    """Name of the pruning method: the name of the spec for its search, or the label of a baseline."""
    baseline: Mapping[str, Any] | None
    """Name and parameters of the baseline (a pruning method that searches are compared with); None for the search of a
    spec."""
    target: str
    """Name of the target for which the network was pruned."""
    seed: int
    """Seed of the random numbers in pre-training, in the choice of channels and in fine-tuning."""
    macs: int
    """Multiply-accumulates of the pruned network for one image."""
    params: int
    """Number of parameters of the pruned network."""
    macs_share: float
    """MACs of the pruned network, divided by the MACs of the dense network."""
    params_share: float
    """Number of parameters of the pruned network, divided by the number of parameters of the dense network."""
    dense_accuracy: float
    """Accuracy of the dense network on test images."""
    accuracy_before: float
    """Accuracy of the pruned network on test images, after recalibration or reconstruction and before fine-tuning."""
    accuracy: float
    """Accuracy of the pruned network on test images, after fine-tuning."""
    validation_before: float
    """Accuracy of the pruned network on validation images, before fine-tuning."""
    validation: float
    """Accuracy of the pruned network on validation images, after fine-tuning."""
    latency_ms: float
    """Latency of the pruned network: median milliseconds of a forward pass of one batch, in fp32 and in eval mode."""
    dense_latency_ms: float
    """Latency of the dense network in milliseconds. Passes of the dense and of the pruned network were timed in
    turns."""
    speedup: float
    """Latency of the dense network, divided by the latency of the pruned network; above 1 if the pruned network is
    faster."""
    latency_batch: int
    """Number of images in the batch of the latencies."""
    search_seconds: float
    """Seconds of all stages after pre-training and before fine-tuning. For a search, these include constraint training,
    the training of selector criteria, ranking and measuring."""
    searches_seconds: float
    """Seconds of the searches alone. For a baseline, the seconds in which it chose its genome."""
    tuning_seconds: float
    """Seconds of the stage that prunes the network, recalibrates or reconstructs it, and fine-tunes it."""
    evaluations: int
    """Number of candidate genomes that the search or the baseline evaluated."""
    training_epochs: float
    """Passes over the training images after pre-training: fine-tuning, and constraint training where there is one."""
    epoch: int
    """Number of fine-tuning epochs after which the score on validation images was best; 0 if it was best before
    fine-tuning."""

    @property
    def file(self) -> str:
        """Path of the file of this row, relative to the folder of the comparison."""
        return f"rows/{self.method}_{self.target}_seed-{self.seed}.json"

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON."""
        return asdict(self)
