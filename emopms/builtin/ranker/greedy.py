"""The greedy ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import JointSchemes, Ranker, SubFront

if TYPE_CHECKING:
    from collections.abc import Sequence


class Greedy(Ranker):
    """Rank all points by impairment against saving and apply them one by one, starting from the dense network.

    Each step replaces the point of one sub-network by the cheaper one that adds the least impairment per unit
    of the first cost saved; the schemes passed on the way are the result. Fast, and blind to combinations that
    only pay together: compare with `impairment`.
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
