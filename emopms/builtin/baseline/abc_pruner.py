"""The baseline ``abc_pruner``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Baseline, Count
from emopms.builtin.baseline._widths import Widths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class AbcPruner(Baseline):
    """Search the widths of layers by an artificial bee colony.

    ABCPruner (Lin et al. 2020, arXiv 2001.08565). Employed bees vary every food source, onlookers vary good ones
    more often, and scouts replace sources that did not improve for some cycles. The paper trains each candidate for
    two epochs; here its loss is measured on calibration images with batch norm re-estimated, so that the cost
    compares. All candidates are as large as the bounds allow.
    """

    name: Literal["abc_pruner"] = "abc_pruner"
    sources: Annotated[int, Field(ge=2, le=100_000)] = 10
    """Number of food sources, which are vectors of widths."""
    cycles: Count = 10
    """Number of cycles. Each evaluates about twice as many candidates as there are sources."""
    patience: Annotated[int, Field(ge=1, le=100_000)] = 4
    """Attempts without an improvement after which a scout replaces a source."""
    least: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Smallest share of a layer's channels, before all are scaled to meet the bounds."""

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
