"""The ranker ``greedy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import JointSchemes, Ranker, SubFront

if TYPE_CHECKING:
    from collections.abc import Sequence


class Greedy(Ranker):
    """Start from the unpruned network. In each step, replace one sub-network by a cheaper point of its front.

    A point is one way to prune the sub-network. Each step chooses the sub-network and the point that add the least
    impairment (predicted increase of the loss) per unit of saved cost, where the cost is the first cost objective. The
    result is the sequence of all schemes. This ranker is fast, but it misses schemes in which several changes are good
    only together. The ranker `impairment` finds these schemes.
    """

    name: Literal["greedy"] = "greedy"

    def join(self, fronts: Sequence[SubFront]) -> JointSchemes:
        import numpy as np

        chosen = [len(front.impairment) - 1 for front in fronts]
        path = [tuple(chosen)]
        while True:
            best: tuple[float, int, int] | None = None
            for index, front in enumerate(fronts):
                saving = front.costs[chosen[index], 0] - front.costs[:, 0]
                added = front.impairment - front.impairment[chosen[index]]
                for point in np.flatnonzero(saving > 0).tolist():
                    step = (float(added[point] / saving[point]), index, point)
                    best = step if best is None or step < best else best
            if best is None:
                break
            _, index, point = best
            chosen[index] = point
            path.append(tuple(chosen))
        choices = np.array(path[::-1], dtype=np.intp)
        return JointSchemes(
            choices=choices,
            impairment=np.sum([front.impairment[choices[:, i]] for i, front in enumerate(fronts)], axis=0),
            costs=np.sum([front.costs[choices[:, i]] for i, front in enumerate(fronts)], axis=0),
        )
