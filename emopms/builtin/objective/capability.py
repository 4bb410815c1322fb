"""The objective ``capability``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import BatchSize, Objective, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Capability(Objective):
    """Selector criterion of a candidate: the loss S_i that evaluates its output features for calibration images."""

    name: Literal["capability"] = "capability"
    batch_norm: Literal["batch", "running"] = "batch"
    """`batch`: re-estimate the batch-norm statistics of each candidate. `running`: use the batch-norm statistics of the
    dense network."""
    precision: Literal["auto", "float"] = "auto"
    """`auto`: run convolutions in int8 if this is faster on the processor and hardly changes the network's outputs.
    `float`: always use the device's floating-point format, also in later stages that run the whole network."""
    batch_size: BatchSize = 512
    """Number of calibration images per forward pass."""

    @property
    def in_floating_point(self) -> bool:
        return self.precision == "float"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        import numpy as np
        import torch

        from emopms.network import parallel_map

        evaluator = task.evaluator(batch_statistics=self.batch_norm == "batch", int8=not self.in_floating_point)

        def loss(genome: NDArray[Any]) -> Tensor:
            total = torch.zeros((), device=task.labels.device)
            for inputs, references, labels in task.batches(self.batch_size):
                share = len(labels) / len(task.labels)
                total += task.criterion(evaluator.run(inputs, genome), references, labels).float() * share
            return total

        return torch.stack(parallel_map(loss, genomes, task.device)).cpu().numpy().astype(np.float64)
