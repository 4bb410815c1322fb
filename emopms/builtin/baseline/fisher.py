"""The baseline ``fisher``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Fisher(ScoredBaseline):
    """Keep the channels with the largest empirical Fisher information of a gate on them.

    Theis et al. 2018 (arXiv 1801.05787): half the mean square, over images, of the derivative of the image's loss
    by the gate. It is a second-order estimate of the increase in the loss.
    """

    name: Literal["fisher"] = "fisher"

    def scores(self, task: PruningTask) -> NDArray[Any]:
        from emopms.network import gate_gradients

        slopes = gate_gradients(task.subnetwork, task.inputs, task.labels)
        scores: NDArray[Any] = (slopes**2).mean(axis=0) / 2
        return scores
