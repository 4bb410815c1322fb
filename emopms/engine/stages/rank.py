"""``rank``: how much the whole network loses by each front point of each sub-network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emopms.api import Cost
from emopms.engine.measure import BATCH, score_schemes
from emopms.engine.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from emopms.engine.context import Context
    from emopms.engine.store import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Rank(Stage):
    """Gives ``front-i`` for each search: arrays ``genomes`` [p, genes], ``impairment`` [p] and ``costs`` [p, k], the
    dense point last.

    δ_i(m) is the loss on calibration images of the network that is dense but for the point m of search i,
    less that of the dense one; batch norm is re-estimated for both.
    """

    version: ClassVar[int] = 2

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        divided = context.divide(context.network(inputs["constrain"].tensors("network")))
        fronts = [inputs[f"evolve/{sub.name}"].arrays("front") for sub in divided.searched]
        genomes = [front["genomes"] for front in fronts]
        dense = np.array([len(points) - 1 for points in genomes])
        choices = np.concatenate([_alone(dense, index, len(points)) for index, points in enumerate(genomes)])
        parts = context.splits.calibration.parts(BATCH)
        with context.progress.track(self.name, len(choices) * parts, "measurements") as tracker:
            scores = score_schemes(
                divided,
                genomes,
                choices,
                context.splits.calibration,
                context.device,
                on_batch=lambda steps: tracker.advance(steps=steps),
            )
        losses = np.array([score.loss for score in scores])
        cost_columns = [i for i, objective in enumerate(context.spec.objectives) if isinstance(objective, Cost)]
        start = 0
        for sub, front in zip(divided.searched, fronts, strict=True):
            own = losses[start : start + len(front["genomes"])]
            start += len(own)
            out.save_arrays(
                f"front-{sub.name}",
                genomes=front["genomes"],
                impairment=own - own[-1],
                costs=front["objectives"][:, cost_columns],
            )


def _alone(dense: NDArray[np.intp], index: int, points: int) -> NDArray[np.intp]:
    """Choices [points, n] that are dense but for search ``index``."""
    choices = np.tile(dense, (points, 1))
    choices[:, index] = np.arange(points)
    return choices
