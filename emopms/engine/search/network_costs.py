"""What whole networks cost, by the spec's objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emopms.api import Cost, Task
from emopms.engine.search.evaluation import Evaluations, evaluate_candidates
from emopms.engine.session.scoring import BATCH
from emopms.network.criteria import ClassifierLoss
from emopms.network.inference.evaluator import dense_tail
from emopms.network.runtime.free_memory import split_on_oom

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.network.partition.subnetwork import SubNetwork


class NetworkCosts:
    """Asks the cost objectives about networks as they are. Sums over searches only predict them: times that are
    measured do not add up, nor does what a layer saves by its own channels and by those that enter it.

    Args:
        whole: The undivided network. What it costs is told with a batch of calibration images.
    """

    def __init__(self, context: Context, whole: SubNetwork) -> None:
        self._objectives = [objective for objective in context.spec.objectives if isinstance(objective, Cost)]
        images, labels = next(iter(context.image_sets.calibration.batches(BATCH)))
        with torch.inference_mode(), context.device.autocast():
            scores = split_on_oom(whole.forward, images)
        self._task = Task(whole, images, scores, labels, ClassifierLoss(), context.device, tail=dense_tail([]))

    def __call__(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Costs [n, k] of genomes of the whole network [n, genes]."""
        return evaluate_candidates(genomes, self._task, self._objectives)
