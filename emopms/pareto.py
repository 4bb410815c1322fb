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


def spread(values: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Indices, ascending, of at most ``count`` values [n] that cover their range: smallest and largest, then always
    the one farthest from all chosen so far."""
    if len(values) <= count:
        return np.arange(len(values))
    chosen = list(dict.fromkeys([int(values.argmin()), int(values.argmax())]))[:count]
    while len(chosen) < count:
        distance = np.abs(values[:, None] - values[chosen]).min(axis=1)
        distance[chosen] = -1.0  # of equal values, too, none is chosen twice
        chosen.append(int(distance.argmax()))
    return np.sort(np.array(chosen, dtype=np.intp))
