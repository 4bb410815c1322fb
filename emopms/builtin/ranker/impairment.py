"""Exact joining of fronts by dynamic programming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import JointSchemes, Ranker, SubFront

if TYPE_CHECKING:
    from collections.abc import Sequence


class Impairment(Ranker):
    """Merge the fronts exactly: of all ways to choose one point a sub-network, those not dominated by prediction.

    Choosing one point each under a budget is a multiple-choice knapsack; since impairments and costs add up, a
    dominated partial sum can never become part of a non-dominated whole, so dropping those after each merge
    loses nothing. The ranking by impairment is the paper's (arXiv 2303.16212), the exact merge ours.
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
