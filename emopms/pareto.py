"""Fronts: which points are non-dominated, how much they dominate, which few of them to show. All minimise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def nondominated(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices, ascending, of the non-dominated among points [n, m]; of equal points the first."""
    import moocore

    mask = moocore.is_nondominated(np.ascontiguousarray(points, dtype=float), keep_weakly=False)
    return np.flatnonzero(mask)


def hypervolume(points: NDArray[np.float64], reference: Sequence[float]) -> float:
    """Volume that points [n, m] dominate within the box that ends at ``reference`` [m], in its units."""
    import moocore

    inside = points[(points < np.asarray(reference)).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0


def representatives(
    quality: NDArray[np.float64], costs: NDArray[np.float64], count: int, *, worst: float = np.inf
) -> NDArray[np.intp]:
    """Indices, ascending, of about ``count`` points: for each cost in turn those of its front, spread along it.

    Args:
        quality: [n].
        costs: [n, k].
        worst: Where differences of quality end to matter.
    """
    each = -(-count // costs.shape[1])
    chosen: set[int] = set()
    for cost in costs.T:
        front = nondominated(np.column_stack([cost, quality]))
        points = np.column_stack([cost, np.minimum(quality, worst)])
        chosen |= set(front[spread(points[front], each)].tolist())
    return np.array(sorted(chosen), dtype=np.intp)


def spread(points: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Indices, ascending, of at most ``count`` points [n, m] that cover the set: those of smallest and largest first
    coordinate, then always the one farthest from all chosen so far, coordinates being measured by their ranges."""
    if len(points) <= count:
        return np.arange(len(points))
    scaled = points / np.maximum(np.ptp(points, axis=0), 1e-12)
    chosen = list(dict.fromkeys([int(points[:, 0].argmin()), int(points[:, 0].argmax())]))[:count]
    while len(chosen) < count:
        distance = np.abs(scaled[:, None] - scaled[chosen]).sum(axis=2).min(axis=1)
        distance[chosen] = -1.0  # of equal points, too, none is chosen twice
        chosen.append(int(distance.argmax()))
    return np.sort(np.array(chosen, dtype=np.intp))
