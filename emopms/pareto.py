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
    """Indices of at most ``count`` values [n] that cover their range most evenly, both ends included."""
    if len(values) <= count:
        return np.arange(len(values))
    wanted = np.linspace(values.min(), values.max(), count)
    nearest = np.abs(values[None, :] - wanted[:, None]).argmin(axis=1)
    return np.unique(nearest)
