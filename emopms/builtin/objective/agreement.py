"""How far a candidate's class probabilities are from the dense network's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Objective, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Agreement(Objective):
    """Distance of the class probabilities from the dense network's, mean KL(dense ‖ candidate): needs no labels.

    Runs the dense rest of the network behind every candidate: faithful, and dear where much follows.
    """

    name: Literal["agreement"] = "agreement"
    batch_norm: Literal["batch", "running"] = "batch"
    """`batch`: re-estimate batch norm in the evaluation; `running`: judge with the dense network's statistics. The
    rest of the network re-estimates it always."""
    batch_size: Annotated[int, Field(ge=2)] = 512
    """Calibration images a forward pass."""

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        import numpy as np
        import torch
        import torch.nn.functional as F

        from emopms.network.evaluator import Evaluator

        forward = Evaluator(task.subnetwork, batch_statistics=self.batch_norm == "batch")
        distances = torch.zeros(len(genomes), device=task.labels.device)
        with torch.inference_mode(), task.device.autocast():
            for inputs, references, _ in task.batches(self.batch_size):
                dense = F.log_softmax(task.tail(references).float(), dim=1)
                for candidate, genome in enumerate(genomes):
                    own = F.log_softmax(task.tail(forward(inputs, genome)).float(), dim=1)
                    distance = F.kl_div(own, dense, reduction="sum", log_target=True)
                    distances[candidate] += distance / len(task.labels)
        return distances.cpu().numpy().astype(np.float64)
