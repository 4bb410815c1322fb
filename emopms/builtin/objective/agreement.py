"""The objective ``agreement``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Objective, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Agreement(Objective):
    """Distance between the class probabilities of the dense network and of a network that contains the candidate.

    The distance is the mean of KL(dense ‖ candidate). It needs no labels. Each evaluation runs the candidate and all
    later sub-networks of the dense network. This is accurate, but expensive for sub-networks at the beginning of the
    network.
    """

    name: Literal["agreement"] = "agreement"
    batch_norm: Literal["batch", "running"] = "batch"
    """`batch`: re-estimate the batch-norm statistics of each candidate. `running`: use the batch-norm statistics of the
    dense network. In the sub-networks after the candidate, these statistics are always re-estimated."""
    precision: Literal["auto", "float"] = "auto"
    """`auto`: run convolutions in int8 if this is faster on the processor and hardly changes the network's outputs.
    `float`: always use the device's floating-point format, also in later stages that run the whole network."""
    batch_size: Annotated[int, Field(ge=2)] = 512
    """Number of calibration images per forward pass."""

    @property
    def in_floating_point(self) -> bool:
        return self.precision == "float"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        import numpy as np
        import torch
        import torch.nn.functional as F

        from emopms.network import parallel_map

        evaluator = task.evaluator(batch_statistics=self.batch_norm == "batch", int8=not self.in_floating_point)
        with torch.inference_mode(), task.device.autocast():
            dense = [
                F.log_softmax(task.tail(references).float(), dim=1)
                for _, references, _ in task.batches(self.batch_size)
            ]

        def distance(genome: NDArray[Any]) -> Tensor:
            total = torch.zeros((), device=task.labels.device)
            for (inputs, _, _), expected in zip(task.batches(self.batch_size), dense, strict=True):
                own = F.log_softmax(task.tail(evaluator.run(inputs, genome)).float(), dim=1)
                total += F.kl_div(own, expected, reduction="sum", log_target=True)
            return total / len(task.labels)

        return torch.stack(parallel_map(distance, genomes, task.device)).cpu().numpy().astype(np.float64)
