"""How well a candidate still processes features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import BatchSize, Objective, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Capability(Objective):
    """The selector's loss on what the candidate makes of the kept calibration features."""

    name: Literal["capability"] = "capability"
    batch_norm: Literal["batch", "running"] = "batch"
    """`batch`: re-estimate batch norm in the evaluation; `running`: judge with the dense network's statistics."""
    batch_size: BatchSize = 512
    """Calibration images a forward pass."""

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        import numpy as np
        import torch

        from emopms.network.evaluator import Evaluator

        forward = Evaluator(task.subnetwork, batch_statistics=self.batch_norm == "batch")
        losses = torch.zeros(len(genomes), device=task.labels.device)
        with torch.inference_mode(), task.device.autocast():
            for inputs, references, labels in task.batches(self.batch_size):
                share = len(labels) / len(task.labels)
                for candidate, genome in enumerate(genomes):
                    loss = task.judge(forward(inputs, genome), references, labels)
                    losses[candidate] += loss.float() * share
        return losses.cpu().numpy().astype(np.float64)
