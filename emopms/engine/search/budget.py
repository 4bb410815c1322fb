"""The time budget of one search, which counts the time of interrupted attempts too."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from emopms.engine.storage.journal import Journal


class Budget:
    """Tells a search when its time is over.

    The journal holds the seconds of each generation. Generations of an interrupted attempt are always repeated, because
    their evaluations are in the log of the search, and their recorded seconds count.

    Args:
        seconds: The time of the search.
        journal: Holds the seconds of the generations of interrupted attempts, and receives those of this attempt.
        clock: Returns the time in seconds.
    """

    def __init__(self, seconds: float, journal: Journal, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._journal, self._clock = seconds, journal, clock
        entries = [journal.get(number) for number in journal.numbers()]
        self._earlier = [float(entry["seconds"]) for entry in entries if entry is not None]
        self._spent, self._began = sum(self._earlier), clock()

    def is_over(self, generation: int) -> bool:
        """Record the end of a generation, and return whether the search ends with it.

        Args:
            generation: Number of the generation that has ended, from 1.
        """
        now = self._clock()
        if generation > len(self._earlier):
            self._spent += now - self._began
            self._journal.put(generation, {"seconds": torch.tensor(now - self._began, dtype=torch.float64)})
        self._began = now
        return generation >= len(self._earlier) and self._spent >= self._seconds
