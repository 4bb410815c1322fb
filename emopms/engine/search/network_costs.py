"""What whole networks cost, by the spec's objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emopms.api import Cost, Task
from emopms.engine.search.evaluation import Judged, judged
from emopms.engine.session.scoring import BATCH
from emopms.network.criteria import OwnClassifier
from emopms.network.inference.evaluator import dense_rest
from emopms.network.runtime.free_memory import halving

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.network.partition.subnetwork import SubNetwork


class WholeCosts:
    """Asks the cost objectives about networks as they are. Sums over searches only predict them: times that are
    measured do not add up, nor does what a layer saves by its own channels and by those that enter it.

    Args:
        whole: The undivided network. What it costs is told with a batch of calibration images.
    """

    def __init__(self, context: Context, whole: SubNetwork) -> None:
        self._objectives = [objective for objective in context.spec.objectives if isinstance(objective, Cost)]
        images, labels = next(iter(context.splits.calibration.batches(BATCH)))
        with torch.inference_mode(), context.device.autocast():
            scores = halving(whole.forward, images)
        self._task = Task(whole, images, scores, labels, OwnClassifier(), context.device, tail=dense_rest([]))

    def __call__(self, genomes: NDArray[np.bool_]) -> Judged:
        """Costs [n, k] of genomes of the whole network [n, genes]."""
        return judged(genomes, self._task, self._objectives)
