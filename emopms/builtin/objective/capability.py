"""The objective ``capability``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import BatchSize, Objective, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Capability(Objective):
    """Loss of the selector's criterion on the candidate's outputs for the calibration features."""

    name: Literal["capability"] = "capability"
    batch_norm: Literal["batch", "running"] = "batch"
    """`batch`: re-estimate the batch-norm statistics of each candidate. `running`: use the dense network's."""
    precision: Literal["auto", "float"] = "auto"
    """`auto`: run convolutions in int8 if this is faster on the processor and hardly changes the network's outputs.
    `float`: always use the device's floating-point format, for the whole network too."""
    batch_size: BatchSize = 512
    """Calibration images per forward pass."""

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
