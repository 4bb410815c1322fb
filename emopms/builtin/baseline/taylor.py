"""The baseline ``taylor``: pruning by a Taylor expansion of the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import BatchSize, ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Taylor(ScoredBaseline):
    """Keep the channels whose removal changes the loss most, estimated by a first-order Taylor expansion.

    Molchanov et al. 2019 (arXiv 1906.10771). Imagine a factor of 1 on each channel. The score of the channel is the
    squared derivative of a batch's loss with respect to this factor, averaged over batches.
    """

    name: Literal["taylor"] = "taylor"
    batch_size: BatchSize = 32
    """Number of images per batch. Derivatives are averaged over a batch before they are squared."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        import numpy as np

        from emopms.network import gate_gradients

        slopes = gate_gradients(task.subnetwork, task.inputs, task.labels)
        batches = np.array_split(slopes, max(1, len(slopes) // self.batch_size))
        scores: NDArray[Any] = np.mean([batch.mean(axis=0) ** 2 for batch in batches], axis=0)
        return scores
