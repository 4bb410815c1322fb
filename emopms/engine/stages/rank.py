"""``rank``: measure how much pruned sub-networks from each front impair the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emopms.api import Cost
from emopms.engine.results.front import Front, RankedFront
from emopms.engine.session.scoring import BATCH, Scorer, finite, guessing_loss
from emopms.engine.stages.base import Stage
from emopms.pareto import representatives

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.spec import Spec


@dataclass(frozen=True, kw_only=True)
class Rank(Stage):
    """Measures impairments. Its results are the `RankedFront` of each search.

    From each front, it takes pruned sub-networks (points) that are spread along the front, and the unpruned
    sub-network. The value ``points`` in the spec is their approximate number. The impairment δ_i(m) is the loss of a
    network that is pruned only by the point m of search i, minus the loss of the dense network. Batch norm is
    re-estimated for both.

    No search has used the ranking images. On the calibration images, the loss of a front point is too low on average,
    because the search selected the point by this loss. The join stage would select the points with the largest errors
    again.
    """

    version: ClassVar[int] = 4

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Measure pruned sub-networks from the fronts of all searches on ranking images. Leave out those whose loss is
        not finite."""
        divided = context.constrained(inputs["constrain"])
        fronts = [
            _select_points(context.spec, Front.load(inputs[f"evolve/{sub.name}"]), worst=guessing_loss(context.classes))
            for sub in divided.searched
        ]
        dense = divided.whole.dense
        candidates, start = [dense[None, :]], 0
        for genomes, _ in fronts:
            alone = np.tile(dense, (len(genomes) - 1, 1))
            alone[:, start : (start := start + genomes.shape[1])] = genomes[:-1]
            candidates.append(alone)
        images = context.image_sets.ranking
        count = sum(map(len, candidates))
        with context.progress.track(self.name, count * images.parts(BATCH), "measurements") as tracker:
            scores = Scorer(divided.whole, images, context.device, int8=context.int8).score(
                np.concatenate(candidates),
                out.journal("measured"),
                on_batch=lambda steps: tracker.advance(steps=steps),
            )
        lost = np.array([score.loss - scores[0].loss for score in scores])
        measured, start = finite(lost, self.name), 1
        for sub, (genomes, costs) in zip(divided.searched, fronts, strict=True):
            rows = np.append(np.arange(start, start := start + len(genomes) - 1), 0)
            known = measured[rows]
            RankedFront(genomes[known], lost[rows][known], costs[known]).save(out, sub.name)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to measure the maximum number of pruned sub-networks that can be selected from
        the fronts. For each, the network runs from this sub-network to the last layer."""
        points = min(context.spec.points, context.spec.algorithm.pop_size)
        return points * _suffix_share(context, parts) * timer.forward(context.spec.data.calibration)


def _select_points(spec: Spec, front: Front, *, worst: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Select the pruned sub-networks of a front that are ranked, and return their genomes [p, genes] and costs [p, k].
    The last row is the unpruned sub-network.

    Args:
        spec: The spec.
        front: The front of one search.
        worst: Loss of the hypervolume's reference point, by which pruned sub-networks are selected (see
            `representatives`).
    """
    is_cost = np.array([isinstance(objective, Cost) for objective in spec.objectives])
    costs, qualities = front.objectives[:, is_cost], front.objectives[:, ~is_cost]
    chosen = {int(i) for quality in qualities.T for i in representatives(quality, costs, spec.points, worst=worst)}
    rows = [*sorted(chosen - {front.dense}), front.dense]
    return front.genomes[rows], costs[rows]


def _suffix_share(context: Context, parts: Sequence[PartSummary]) -> float:
    """Return the sum, over all searches, of the share of the whole network that runs to measure one pruned sub-network
    of the search.

    For a sub-network, the share is the MACs from this sub-network to the last layer, divided by all MACs. For the
    boundaries (the channels that cross split points), the share is 1.
    """
    count = len(context.split_points) + 1
    macs = [part.dense.macs for part in parts[:count]]
    return sum(sum(macs[index:]) for index in range(count)) / sum(macs) + len(parts) - count
