"""The component ``new_ranker`` of the slot ``ranker``: it joins the fronts of sub-networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from emopms.api import JointSchemes, Ranker, SubFront

if TYPE_CHECKING:
    from collections.abc import Sequence


class NewRanker(Ranker):
    """Prune all sub-networks equally: on each front, choose the point nearest to the same fraction of the cost range.

    A point is one way to prune a sub-network. The cost is the first cost objective.
    """

    name: Literal["new_ranker"] = "new_ranker"
    steps: Annotated[int, Field(ge=2)] = 50
    """Number of fractions of the cost range to try, from the cheapest point of each front to the unpruned
    sub-network."""

    def join(self, fronts: Sequence[SubFront]) -> JointSchemes:
        shares = np.linspace(0, 1, self.steps)[:, None]
        columns = []
        for front in fronts:
            cost = front.costs[:, 0]
            share = (cost - cost.min()) / (np.ptp(cost) or 1.0)
            # Sort by distance, then by impairment: among points of equal cost, take the point of least impairment.
            distance = np.abs(share - shares)
            order = np.lexsort((np.broadcast_to(front.impairment, distance.shape), distance), axis=1)
            columns.append(order[:, 0])
        dense = [len(front.impairment) - 1 for front in fronts]
        choices = np.unique([*np.column_stack(columns).tolist(), dense], axis=0)
        impairment = np.sum([front.impairment[choices[:, i]] for i, front in enumerate(fronts)], axis=0)
        costs = np.sum([front.costs[choices[:, i]] for i, front in enumerate(fronts)], axis=0)
        order = np.argsort(costs[:, 0], kind="stable")
        return JointSchemes(choices[order], impairment[order], costs[order])
