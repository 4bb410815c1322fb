"""The progress of a whole run, and an estimate of its remaining time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from emopms.cli.tables import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ENOUGH: Final = 0.1
"""Share of a stage that must be done before the time of the stage is estimated from its own speed."""
_FEW: Final = 3
"""Number of stages whose times must be known before their mean is used as an estimate for stages of other kinds."""


class Overall:
    """Counts the stages of a run, and estimates the remaining time.

    The estimate for a stage is the time that it took in an earlier run. If there is none, the estimate is the mean time
    of the finished stages of the same kind, such as ``evolve``. If there are no such stages, it is the mean time of all
    stages whose times are known, provided that at least three are known. When a tenth of a running stage is done, the
    stage is estimated from its own speed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._stages: dict[str, float | None] = {}
        self._total: int | None = None
        self._done: set[str] = set()
        self._completed = 0  # more than there are names: in a comparison, several runs have stages of the same name
        self._running: str | None = None
        self._running_since = 0.0
        self._share = 0.0

    def begin(self, stages: Mapping[str, float | None]) -> None:
        """Set the stages of the run, each with the seconds that it took in an earlier run, or None."""
        self._stages, self._total = dict(stages), len(stages)

    def begin_stage(self, name: str) -> None:
        """Record that a stage begins."""
        self._running, self._running_since, self._share = name, self._clock(), 0.0

    def end_stage(self, name: str, seconds: float) -> None:
        """Record that a stage is complete, and how many seconds it took when it ran."""
        self._stages[name] = seconds
        self._done.add(name)
        self._completed += 1
        self._running = None

    def advance(self, share: float) -> None:
        """Record which share of the running stage is done."""
        self._share = share

    def left(self) -> float | None:
        """Estimate the seconds until the run ends. The result is None if a stage cannot be estimated yet."""
        rest = [name for name in self._stages if name not in self._done]
        expected = [self._expected(name) for name in rest]
        if any(seconds is None for seconds in expected):
            return None
        return sum(seconds for seconds in expected if seconds is not None)

    def position(self) -> str:
        """Return the number of the current stage, such as ``stage 4 of 13``."""
        number = self._completed + (self._running is not None)
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
        """Return the seconds that a stage still needs until it is complete, or None if they cannot be estimated."""
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
    """Format a duration without fractions of a second, because an estimate is not that exact."""
    return f"{seconds:.0f} s" if seconds < 9.95 else duration(seconds)
