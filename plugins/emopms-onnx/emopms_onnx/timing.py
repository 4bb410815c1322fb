"""Measures the times of several functions in turn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

WARM_UP = 3
"""Number of first rounds whose times are not used. In these rounds, memory is allocated and kernels are chosen."""


def median_times(passes: Sequence[Callable[[], object]], repeats: int) -> NDArray[np.float64]:
    """Return the median time of each pass [n], in milliseconds.

    Every pass runs once in each round, so that a slow period of the machine affects all of them.
    """
    times = np.empty((WARM_UP + repeats, len(passes)))
    for round_ in times:
        for index, run in enumerate(passes):
            began = time.perf_counter()
            run()
            round_[index] = time.perf_counter() - began
    milliseconds: NDArray[np.float64] = np.median(times[WARM_UP:], axis=0) * 1e3
    return milliseconds
