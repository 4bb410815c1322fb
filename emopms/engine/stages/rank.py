"""``rank``: how much the whole network loses by each front point of each sub-network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emopms.api import Cost
from emopms.engine.session.scoring import BATCH, Scorer, finite, guessing_loss
from emopms.engine.stages.base import Stage
from emopms.pareto import representatives

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.engine.storage.store import Artefact, Workspace
    from emopms.spec.model import Spec


@dataclass(frozen=True, kw_only=True)
class Rank(Stage):
    """Gives ``front-i`` for each search: arrays ``genomes`` [p, genes], ``impairment`` [p] and ``costs`` [p, k], the
    dense point last.

    Of each front about as many points as the spec's ``points``, spread along it, and the dense one. δ_i(m) is the loss
    of the network that is dense but for the point m of search i, less that of the dense one; batch norm is
    re-estimated for both. It is measured on ranking images, which no search has seen: on the images that it was
    found on, a front looks better than it is, each point by another stroke of luck, and the best sums are the
    luckiest.
    """

    version: ClassVar[int] = 4

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        divided = context.constrained(inputs["constrain"])
        found = [inputs[f"evolve/{sub.name}"].arrays("front") for sub in divided.searched]
        fronts = [_some(context.spec, front, worst=guessing_loss(context.classes)) for front in found]
        dense = divided.whole.dense
        candidates, start = [dense[None, :]], 0
        for genomes, _ in fronts:
            alone = np.tile(dense, (len(genomes) - 1, 1))
            alone[:, start : (start := start + genomes.shape[1])] = genomes[:-1]
            candidates.append(alone)
        images = context.image_sets.ranking
        count = sum(map(len, candidates))
        with context.progress.track(self.name, count * images.parts(BATCH), "measurements") as tracker:
            scores = Scorer(divided.whole, images, context.device, int8=context.int8)(
                np.concatenate(candidates),
                out.journal("measured"),
                on_batch=lambda steps: tracker.advance(steps=steps),
            )
        lost = np.array([score.loss - scores[0].loss for score in scores])
        measured, start = finite(lost, self.name), 1
        for sub, (genomes, costs) in zip(divided.searched, fronts, strict=True):
            rows = np.append(np.arange(start, start := start + len(genomes) - 1), 0)
            known = measured[rows]
            out.save_arrays(
                f"front-{sub.name}", genomes=genomes[known], impairment=lost[rows][known], costs=costs[known]
            )


def _some(
    spec: Spec, front: Mapping[str, NDArray[np.float64]], *, worst: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The genomes [p, genes] and costs [p, k] of the points to rank, the dense one, which is the last, among them."""
    is_cost = [isinstance(objective, Cost) for objective in spec.objectives]
    costs, qualities = front["objectives"][:, is_cost], front["objectives"][:, ~np.array(is_cost)]
    dense = len(costs) - 1
    chosen = {int(i) for quality in qualities.T for i in representatives(quality, costs, spec.points, worst=worst)} - {
        dense
    }
    rows = [*sorted(chosen), dense]
    return front["genomes"][rows].astype(np.bool_), costs[rows]
