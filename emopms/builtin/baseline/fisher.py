"""The baseline ``fisher``: pruning by Fisher information."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Fisher(ScoredBaseline):
    """Keep the channels whose removal is estimated to increase the loss most, by the empirical Fisher information.

    Theis et al. 2018 (arXiv 1801.05787). Imagine a factor of 1 on each channel. The score of the channel is half the
    mean, over images, of the squared derivative of the image's loss with respect to this factor. It is a second-order
    estimate of the increase in the loss.
    """

    name: Literal["fisher"] = "fisher"

    def scores(self, task: PruningTask) -> NDArray[Any]:
        from emopms.network import gate_gradients

        slopes = gate_gradients(task.subnetwork, task.inputs, task.labels)
        scores: NDArray[Any] = (slopes**2).mean(axis=0) / 2
        return scores
