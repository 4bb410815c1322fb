"""The ranker ``impairment``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import JointSchemes, Ranker, SubFront

if TYPE_CHECKING:
    from collections.abc import Sequence


class Impairment(Ranker):
    """Return all schemes whose predicted impairment and costs are non-dominated. A scheme has one point of each front.

    A point is one way to prune a sub-network. Its impairment is the increase of the whole network's loss. The fronts
    are merged one by one by dynamic programming (a multiple-choice knapsack problem). The merge is exact: predicted
    impairments and costs are sums over the fronts, so a dominated partial sum is never part of a non-dominated scheme.
    The ranking by impairment is from the paper (arXiv 2303.16212). The exact merge is our own.
    """

    name: Literal["impairment"] = "impairment"

    def join(self, fronts: Sequence[SubFront]) -> JointSchemes:
        import numpy as np

        from emopms.pareto import nondominated

        costs = fronts[0].costs.shape[1]
        sums = np.zeros((1, 1 + costs))
        choices = np.zeros((1, 0), dtype=np.intp)
        for front in fronts:
            points = np.column_stack([front.impairment, front.costs])
            merged = (sums[:, None, :] + points[None, :, :]).reshape(-1, 1 + costs)
            kept = nondominated(merged)
            before, point = np.divmod(kept, len(points))
            sums = merged[kept]
            choices = np.column_stack([choices[before], point])
        order = np.lexsort((sums[:, 0], sums[:, 1]))
        return JointSchemes(choices=choices[order], impairment=sums[order, 0], costs=sums[order, 1:])
