"""The baseline ``ccep``: the pruning method CCEP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Baseline, Count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Ccep(Baseline):
    """Prune all layers in several steps. In each step, an evolutionary search for each layer chooses its channels.

    CCEP, cooperative coevolution (Shang et al. 2022, doi 10.24963/ijcai.2022/667). While one layer is searched, the
    other layers stay as they are. At the end of a step, the best choices for all layers together give the next network.
    By default, a step drops at most a tenth of the channels of each layer. The paper compares candidates by accuracy,
    and fine-tunes after each step. Here they are compared by the loss on calibration images with re-estimated
    batch-norm statistics, and fine-tuning comes only at the end.
    """

    name: Literal["ccep"] = "ccep"
    population: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Number of candidates that survive each generation of the search for one layer."""
    generations: Count = 3
    """Number of generations of the search for one layer in one step. Each evaluates as many new candidates as
    survive."""
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
            if following.sum() >= genome.sum():
                break
            gone[genome & ~following] = step
            genome = following
        order = np.lexsort((norms, gone))  # the last step may have dropped more than it had to
        scores = np.empty(task.genes)
        scores[order] = np.arange(task.genes)
        return task.largest_within(scores)

    def _evolved(self, task: PruningTask, genome: NDArray[Any], genes: slice) -> NDArray[Any]:
        """Search which channels of one layer to drop next by evolution, and return the genome [genes] without these
        channels."""
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
    """Draw a boolean mask [size] in which ``count`` random channels are False, that is, dropped."""
    import numpy as np

    mask = np.ones(size, dtype=np.bool_)
    mask[rng.choice(size, count, replace=False)] = False
    return mask
