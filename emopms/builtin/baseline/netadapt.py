"""The baseline ``netadapt``: the pruning method NetAdapt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class NetAdapt(Baseline):
    """Remove channels from one layer per step, always from the layer where this gives the lowest loss.

    NetAdapt (Yang et al. 2018, arXiv 1804.03230). Each step makes one candidate network per layer: this layer loses
    channels until the network's MACs have decreased by a fixed amount. The candidate with the lowest loss is the start
    of the next step. The filters with the smallest L1 norms are removed first. The paper trains each candidate briefly.
    Here its loss is measured on calibration images with re-estimated batch-norm statistics.
    """

    name: Literal["netadapt"] = "netadapt"
    steps: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Number of steps of equal size in which the network's MACs decrease to their bound."""

    def prune(self, task: PruningTask) -> NDArray[Any]:
        import numpy as np

        from emopms.builtin.baseline.l1 import L1

        sub, genome = task.subnetwork, task.subnetwork.dense
        norms = L1().scores(task)
        step = (sub.costs.macs(genome[None])[0] - task.bounds.get("macs", 0)) / self.steps
        gone, turns = np.full(task.genes, np.inf), 0  # the step in which each channel was dropped
        while not task.fits(genome[None])[0]:
            goal = sub.costs.macs(genome[None])[0] - step
            narrower = [_narrowed(task, genome, group.genes, norms, goal) for group in sub.channels.groups]
            candidates = [one for one in narrower if one.sum() < genome.sum()]
            if not candidates:
                break
            losses = task.losses(np.stack(candidates))
            best, turns = candidates[int(losses.argmin())], turns + 1
            gone[genome & ~best] = turns
            genome = best
        order = np.lexsort((norms, gone))  # the last step may have dropped more than it had to
        scores = np.empty(task.genes)
        scores[order] = np.arange(task.genes)
        return task.largest_within(scores)


def _narrowed(task: PruningTask, genome: NDArray[Any], genes: slice, norms: NDArray[Any], goal: float) -> NDArray[Any]:
    """Remove channels of one layer from the genome [genes] until its MACs are at most ``goal`` or only one channel is
    left, and return the new genome [genes]."""
    import numpy as np

    kept = np.flatnonzero(genome[genes]) + genes.start
    kept = kept[np.argsort(norms[kept], kind="stable")]
    narrower = np.repeat(genome[None], len(kept), axis=0)
    for count, one in enumerate(narrower):
        one[kept[:count]] = False
    enough = task.subnetwork.costs.macs(narrower) <= goal
    row = int(enough.argmax()) if enough.any() else len(narrower) - 1
    found: NDArray[Any] = task.subnetwork.repair(narrower[row][None], norms)[0]
    return found
