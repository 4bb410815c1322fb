"""Non-dominated points, hypervolume and representative points of a front. The coordinates of a point are the objectives
of one candidate, and all are minimised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def nondominated(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the ascending indices of the non-dominated points among points [n, m].

    Each point holds m objectives, and lower is better. Of several equal points, only the first is returned.
    """
    import moocore

    mask = moocore.is_nondominated(np.ascontiguousarray(points, dtype=float), keep_weakly=False)
    return np.flatnonzero(mask)


def hypervolume(points: NDArray[np.float64], reference: Sequence[float]) -> float:
    """Return the hypervolume of points [n, m] with respect to ``reference`` [m], in the units of the m objectives."""
    import moocore

    inside = points[(points < np.asarray(reference)).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0


def representatives(
    quality: NDArray[np.float64], costs: NDArray[np.float64], count: int, *, worst: float = np.inf
) -> NDArray[np.intp]:
    """Choose about ``count`` points that are spread over the fronts, and return their ascending indices.

    A point holds the loss and the k costs of one pruned network. Each cost forms a front with the loss. An equal number
    of points is chosen along each of these fronts.

    Args:
        quality: Loss of each point [n], lower is better.
        costs: Costs of each point [n, k].
        count: Number of points to choose.
        worst: Losses above this value are treated as equal to this value.
    """
    each = -(-count // costs.shape[1])
    chosen: set[int] = set()
    for cost in costs.T:
        front = nondominated(np.column_stack([cost, quality]))
        points = np.column_stack([cost, np.minimum(quality, worst)])
        chosen |= set(front[spread(points[front], each)].tolist())
    return np.array(sorted(chosen), dtype=np.intp)


def spread(points: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Choose at most ``count`` of the points [n, m] that cover the whole set, and return their ascending indices.

    The points with the smallest and the largest first coordinate are chosen first. Then the point that is farthest from
    its nearest chosen point is added, again and again. Each coordinate is divided by its range before distances are
    computed.
    """
    if len(points) <= count:
        return np.arange(len(points))
    scaled = points / np.maximum(np.ptp(points, axis=0), 1e-12)
    chosen = list(dict.fromkeys([int(points[:, 0].argmin()), int(points[:, 0].argmax())]))[:count]
    while len(chosen) < count:
        distance = np.abs(scaled[:, None] - scaled[chosen]).sum(axis=2).min(axis=1)
        distance[chosen] = -1.0  # so that no index is chosen twice, even if all remaining points equal a chosen one
        chosen.append(int(distance.argmax()))
    return np.sort(np.array(chosen, dtype=np.intp))
