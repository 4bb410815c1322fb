"""How far a whole run is, and how long it may still take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from emopms.cli.tables import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ENOUGH: Final = 0.1
"""The share of a stage from which its own speed tells how long it takes."""
_FEW: Final = 3
"""The number of stages from which their mean tells something about stages of other kinds."""


class Overall:
    """Counts the stages of a run and estimates the rest of it.

    The estimate of a stage is what the stage took in an earlier run. Without one it is the mean of the finished stages
    of the same kind, such as ``evolve``. Without those it is the mean of all stages of which the seconds are known, if
    these are not too few. A stage that runs is estimated from its own speed as soon as a tenth of it is done.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._stages: dict[str, float | None] = {}
        self._total: int | None = None
        self._done: set[str] = set()
        self._running: str | None = None
        self._running_since = 0.0
        self._share = 0.0

    def begin(self, stages: Mapping[str, float | None]) -> None:
        """Learn the stages of the run, with the seconds that an earlier run took for each."""
        self._stages, self._total = dict(stages), len(stages)

    def begin_stage(self, name: str) -> None:
        """Note that a stage begins."""
        self._running, self._running_since, self._share = name, self._clock(), 0.0

    def end_stage(self, name: str, seconds: float) -> None:
        """Note that a stage is complete, and what it took when it ran."""
        self._stages[name] = seconds
        self._done.add(name)
        self._running = None

    def advance(self, share: float) -> None:
        """Note which share of the running stage is done."""
        self._share = share

    def left(self) -> float | None:
        """Estimate the seconds until the run ends; None if nothing is known yet."""
        rest = [name for name in self._stages if name not in self._done]
        expected = [self._expected(name) for name in rest]
        if any(seconds is None for seconds in expected):
            return None
        return sum(seconds for seconds in expected if seconds is not None)

    def position(self) -> str:
        """Return how many stages are done, such as ``stage 4 of 13``."""
        number = len(self._done) + (self._running is not None)
        if number == 0:
            return "preparing"
        return f"stage {number}" + ("" if self._total is None else f" of {self._total}")

    def describe(self) -> str:
        """Return one line, such as ``stage 4 of 13 · 35 s so far · about 40 s left``."""
        parts = [self.position(), f"{_whole(self._clock() - self._began)} so far"]
        left = self.left()
        if left is not None and self._total is not None and len(self._done) < self._total:
            parts.append(f"about {_whole(left)} left" if left >= 1 else "almost done")
        return " · ".join(parts)

    def _expected(self, name: str) -> float | None:
        """Return the seconds that a stage which is not complete still needs; None if nothing is known."""
        if name == self._running:
            spent = self._clock() - self._running_since
            if self._share >= _ENOUGH:
                return spent * (1 - self._share) / self._share
            known = self._known(name)
            return None if known is None else max(known - spent, 0.0)
        return self._known(name)

    def _known(self, name: str) -> float | None:
        earlier = self._stages[name]
        if earlier is not None:
            return earlier
        known = {other: seconds for other, seconds in self._stages.items() if seconds is not None}
        if self._running is not None and self._share >= _ENOUGH:
            known[self._running] = (self._clock() - self._running_since) / self._share
        kind = name.partition("/")[0]
        alike = [seconds for other, seconds in known.items() if other.partition("/")[0] == kind]
        chosen = alike or list(known.values())
        return sum(chosen) / len(chosen) if alike or len(chosen) >= _FEW else None


def _whole(seconds: float) -> str:
    """Format a duration without fractions of a second, which would promise too much."""
    return f"{seconds:.0f} s" if seconds < 9.95 else duration(seconds)
