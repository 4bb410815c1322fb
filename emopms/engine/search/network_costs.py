"""The costs of whole networks, evaluated by the cost objectives of the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emopms.api import Cost, Task
from emopms.engine.search.evaluation import ObjectiveEvaluation
from emopms.engine.session.scoring import BATCH
from emopms.network.criteria import ClassifierLoss
from emopms.network.inference.evaluator import dense_tail
from emopms.network.runtime.free_memory import split_on_oom

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.search.evaluation import Evaluations
    from emopms.engine.session.context import Context
    from emopms.network.partition.subnetwork import SubNetwork


class NetworkCosts:
    """Evaluates the cost objectives on whole networks.

    The sum of the costs of all sub-networks is only a prediction of these costs. It is not exact for measured times. It
    is not exact for MACs either, if two searches prune the input and the output channels of the same layer, because the
    MACs are proportional to the product of both numbers of channels.

    Args:
        context: The context of the run.
        whole: The undivided network. The objectives evaluate it on one batch of calibration images.
    """

    def __init__(self, context: Context, whole: SubNetwork) -> None:
        objectives = [objective for objective in context.spec.objectives if isinstance(objective, Cost)]
        images, labels = next(iter(context.image_sets.calibration.batches(BATCH)))
        with torch.inference_mode(), context.device.autocast():
            scores = split_on_oom(whole.forward, images)
        task = Task(whole, images, scores, labels, ClassifierLoss(), context.device, tail=dense_tail([]))
        self._evaluation = ObjectiveEvaluation(task, objectives)

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Return the costs [n, k] of the whole network, pruned by each of the genomes [n, genes]."""
        return self._evaluation.evaluate(genomes)
