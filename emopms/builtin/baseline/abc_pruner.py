"""The baseline ``abc_pruner``: the pruning method ABCPruner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Baseline, Count
from emopms.builtin.baseline._widths import Widths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class AbcPruner(Baseline):
    """Search the number of channels of each layer by an artificial bee colony.

    ABCPruner (Lin et al. 2020, arXiv 2001.08565). A food source is a candidate: a vector with one width for each layer.
    In each cycle, every food source is varied once, and sources with a low loss are varied more often. A source that
    was not improved in several attempts is replaced by a random one. The paper trains each candidate for two epochs.
    Here, to save time, the loss of a candidate is measured on calibration images with re-estimated batch-norm
    statistics. All candidates are as large as the bounds on the costs allow.
    """

    name: Literal["abc_pruner"] = "abc_pruner"
    sources: Annotated[int, Field(ge=2, le=100_000)] = 10
    """Number of food sources: candidates that hold one width (number of channels) for each layer."""
    cycles: Count = 10
    """Number of cycles. Each cycle evaluates about twice as many candidates as there are food sources."""
    patience: Annotated[int, Field(ge=1, le=100_000)] = 4
    """Number of attempts without an improvement after which a food source (a candidate) is replaced by a random one."""
    least: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Smallest share of its channels that a layer keeps, before the widths of all layers are scaled to meet the
    bounds."""

    def prune(self, task: PruningTask) -> NDArray[Any]:
        import numpy as np

        widths, rng = Widths(task), task.rng

        def losses(found: NDArray[Any]) -> NDArray[Any]:
            return task.losses(np.stack([widths.genome(one) for one in found]))

        sources = np.stack([widths.draw(self.least) for _ in range(self.sources)])
        loss, tries = losses(sources), np.zeros(self.sources, dtype=np.int64)
        best, lowest = sources[loss.argmin()].copy(), loss.min()
        for _ in range(self.cycles):
            nectar = 1 / (1 + loss)
            onlookers = rng.choice(self.sources, self.sources, p=nectar / nectar.sum())
            for chosen in (np.arange(self.sources), onlookers):
                others = (chosen + rng.integers(1, self.sources, len(chosen))) % self.sources
                layers = rng.random((len(chosen), widths.layers)) < max(0.3, 1 / widths.layers)
                steps = rng.uniform(-1, 1, layers.shape) * layers * (sources[chosen] - sources[others])
                near = np.clip(sources[chosen] + steps, self.least, 1.0)
                for source, one, own in zip(chosen, near, losses(near), strict=True):
                    tries[source] = 0 if own < loss[source] else tries[source] + 1
                    if own < loss[source]:
                        sources[source], loss[source] = one, own
            if loss.min() < lowest:
                best, lowest = sources[loss.argmin()].copy(), loss.min()
            tired = np.flatnonzero(tries > self.patience)
            if len(tired):
                sources[tired] = np.stack([widths.draw(self.least) for _ in tired])
                loss[tired], tries[tired] = losses(sources[tired]), 0
        if loss.min() < lowest:
            best = sources[loss.argmin()]
        return widths.genome(best)
