"""The baseline ``random``: random channels, with which other baselines are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Allocation, ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class RandomScores(ScoredBaseline):
    """Keep random channels, by default the same share in all layers. A useful pruning method must be better than
    this."""

    name: Literal["random"] = "random"
    allocation: Allocation = "uniform"
    """How many channels each layer keeps: `uniform`, `global` or `best` (see `ScoredBaseline`)."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        return task.rng.random(task.genes)
