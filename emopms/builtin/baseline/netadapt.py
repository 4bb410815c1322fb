"""The baseline ``netadapt``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class NetAdapt(Baseline):
    """Narrow one layer after another, always the one whose narrowing costs the least loss.

    NetAdapt (Yang et al. 2018, arXiv 1804.03230). In each step, every layer is narrowed until the network's MACs
    fall by the same amount, and the best of these networks goes on. Filters with the smallest L1 norms go first.
    The paper trains each candidate briefly; here its loss is measured on calibration images with batch norm
    re-estimated.
    """

    name: Literal["netadapt"] = "netadapt"
    steps: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Number of steps in which the MACs fall to the bound."""

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
    """Return the genome [genes] with one group narrowed until the MACs are at most ``goal``, or to one channel."""
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
