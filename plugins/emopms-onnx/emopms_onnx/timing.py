"""Timing things against each other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

WARM_UP = 3
"""Rounds before the first that counts: memory is allocated and kernels are chosen in them."""


def median_times(passes: Sequence[Callable[[], object]], repeats: int) -> NDArray[np.float64]:
    """The median time of each pass [n], in milliseconds.

    In each round every pass runs once: a slow moment of the machine hits all of them, not one alone.
    """
    times = np.empty((WARM_UP + repeats, len(passes)))
    for round_ in times:
        for index, run in enumerate(passes):
            began = time.perf_counter()
            run()
            round_[index] = time.perf_counter() - began
    milliseconds: NDArray[np.float64] = np.median(times[WARM_UP:], axis=0) * 1e3
    return milliseconds
