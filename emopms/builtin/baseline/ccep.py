"""The baseline ``ccep``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Baseline, Count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Ccep(Baseline):
    """Prune all layers step by step; in each step, evolve the channels of each layer while the others stay.

    CCEP, cooperative coevolution (Shang et al. 2022, doi 10.24963/ijcai.2022/667). A step drops at most a tenth of
    each layer; what a layer's own small population finds best is put together to the next network. The paper
    measures accuracy and fine-tunes after each step; here candidates are compared by the loss on calibration images
    with batch norm re-estimated, and all fine-tuning comes at the end.
    """

    name: Literal["ccep"] = "ccep"
    population: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Candidates of a layer that survive."""
    generations: Count = 3
    """Generations of a layer in each step. Each evaluates as many new candidates as survive."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Largest share of a layer's remaining channels that one step drops."""

    def prune(self, task: PruningTask) -> NDArray[Any]:
        import numpy as np

        from emopms.builtin.baseline.l1 import L1

        sub, genome, norms = task.subnetwork, task.subnetwork.dense, L1().scores(task)
        gone, step = np.full(task.genes, np.inf), 0  # the step in which each channel was dropped
        while not task.fits(genome[None])[0]:
            found = [self._evolved(task, genome, group.genes) for group in sub.channels.groups]
            # Every layer chose with the others as they were: together they are the next network.
            following, step = sub.repair(np.logical_and.reduce(found)[None], norms)[0], step + 1
            if following.sum() == genome.sum():
                break
            gone[genome & ~following] = step
            genome = following
        order = np.lexsort((norms, gone))  # the last step may have dropped more than it had to
        scores = np.empty(task.genes)
        scores[order] = np.arange(task.genes)
        return task.largest_within(scores)

    def _evolved(self, task: PruningTask, genome: NDArray[Any], genes: slice) -> NDArray[Any]:
        """Return the genome [genes] with the channels of one group dropped that an evolution of them found best."""
        import numpy as np

        kept = np.flatnonzero(genome[genes]) + genes.start
        drop = min(max(1, round(self.share * len(kept))), len(kept) - 1)
        if not drop:
            return genome

        def losses(masks: NDArray[Any]) -> NDArray[Any]:
            genomes = np.repeat(genome[None], len(masks), axis=0)
            genomes[:, kept] = masks
            return task.losses(genomes)

        masks = np.stack([_dropping(len(kept), drop, task.rng) for _ in range(self.population)])
        loss = losses(masks)
        for _ in range(self.generations):
            children = masks[task.rng.integers(len(masks), size=self.population)].copy()
            for child in children:  # one dropped channel comes back, another one goes
                back, away = (task.rng.choice(np.flatnonzero(child == state)) for state in (False, True))
                child[back], child[away] = True, False
            masks = np.concatenate([masks, children])
            loss = np.concatenate([loss, losses(children)])
            best = np.argsort(loss, kind="stable")[: self.population]
            masks, loss = masks[best], loss[best]
        evolved = genome.copy()
        evolved[kept] = masks[0]
        return evolved


def _dropping(size: int, count: int, rng: Any) -> NDArray[Any]:
    """Draw a mask [size] that drops a number of channels."""
    import numpy as np

    mask = np.ones(size, dtype=np.bool_)
    mask[rng.choice(size, count, replace=False)] = False
    return mask
