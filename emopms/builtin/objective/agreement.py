"""How far a candidate's class probabilities are from the dense network's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Objective, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Agreement(Objective):
    """Distance of the class probabilities from the dense network's, mean KL(dense ‖ candidate): needs no labels.

    Runs the dense rest of the network behind every candidate: faithful, and dear where much follows.
    """

    name: Literal["agreement"] = "agreement"
    batch_norm: Literal["batch", "running"] = "batch"
    """`batch`: re-estimate batch norm in the evaluation; `running`: judge with the dense network's statistics. The
    rest of the network re-estimates it always."""
    precision: Literal["auto", "float"] = "auto"
    """`auto`: convolve in eight bits where the processor is faster at it and the dense network hardly notices; `float`:
    always in the device's floating-point numbers, whole networks too."""
    batch_size: Annotated[int, Field(ge=2)] = 512
    """Calibration images a forward pass."""

    @property
    def in_floating_point(self) -> bool:
        return self.precision == "float"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        import numpy as np
        import torch
        import torch.nn.functional as F

        from emopms.network.runtime.parallel import parallel_map

        forward = task.evaluator(batch_statistics=self.batch_norm == "batch", int8=not self.in_floating_point)
        with torch.inference_mode(), task.device.autocast():
            dense = [
                F.log_softmax(task.tail(references).float(), dim=1)
                for _, references, _ in task.batches(self.batch_size)
            ]

        def distance(genome: NDArray[Any]) -> Tensor:
            total = torch.zeros((), device=task.labels.device)
            for (inputs, _, _), expected in zip(task.batches(self.batch_size), dense, strict=True):
                own = F.log_softmax(task.tail(forward(inputs, genome)).float(), dim=1)
                total += F.kl_div(own, expected, reduction="sum", log_target=True)
            return total / len(task.labels)

        return torch.stack(parallel_map(distance, genomes, task.device)).cpu().numpy().astype(np.float64)
