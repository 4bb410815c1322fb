"""The baseline ``random``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Allocation, ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class RandomScores(ScoredBaseline):
    """Keep random channels, the same share of all layers: the control experiment."""

    name: Literal["random"] = "random"
    allocation: Allocation = "uniform"
    """How many channels each layer keeps: `uniform`, `global` or `best` (see `ScoredBaseline`)."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        return task.rng.random(task.genes)
