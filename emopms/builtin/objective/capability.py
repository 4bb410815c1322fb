"""How well a candidate still processes features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import BatchSize, Objective, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Capability(Objective):
    """The selector's loss on what the candidate makes of the kept calibration features."""

    name: Literal["capability"] = "capability"
    batch_norm: Literal["batch", "running"] = "batch"
    """`batch`: re-estimate batch norm in the evaluation; `running`: judge with the dense network's statistics."""
    precision: Literal["auto", "float"] = "auto"
    """`auto`: convolve in eight bits where the processor is faster at it and the dense network hardly notices; `float`:
    always in the device's floating-point numbers, whole networks too."""
    batch_size: BatchSize = 512
    """Calibration images a forward pass."""

    @property
    def in_floating_point(self) -> bool:
        return self.precision == "float"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        import numpy as np
        import torch

        from emopms.network.runtime.parallel import parallel_map

        forward = task.evaluator(batch_statistics=self.batch_norm == "batch", int8=not self.in_floating_point)

        def loss(genome: NDArray[Any]) -> Tensor:
            total = torch.zeros((), device=task.labels.device)
            for inputs, references, labels in task.batches(self.batch_size):
                share = len(labels) / len(task.labels)
                total += task.criterion(forward(inputs, genome), references, labels).float() * share
            return total

        return torch.stack(parallel_map(loss, genomes, task.device)).cpu().numpy().astype(np.float64)
