"""The state of a run's progress, and an estimate of its remaining time."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from emopms.engine.support.progress import Steps

_ENOUGH: Final = 0.1
"""Share of a stage that must be done before the time of the stage is estimated from its own speed."""
_FEW: Final = 3
"""Number of stages whose times must be known before their mean is used as an estimate for stages of other kinds."""


@dataclass
class Work:
    """A long piece of work, such as the epochs of a training."""

    label: str
    total: int
    """Number of its steps."""
    unit: str
    """Name of a step in the plural, such as ``generations``."""
    done: int = 0
    """Number of steps that are done."""
    note: str = ""
    """Its present state as text, such as a loss."""

    @property
    def share(self) -> float:
        """The share of the steps that are done, from 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 1.0


@dataclass(frozen=True)
class EndedStage:
    """A complete stage."""

    name: str
    seconds: float
    """Seconds that the stage took when it ran."""
    cached: bool
    """Whether it was loaded from the store."""


class RunProgress:
    """What is known of the progress of a run: its complete stages, and the work of the present stage. It is a
    `emopms.engine.support.progress.Progress` that shows nothing.

    The estimate for a stage is the time that it took in an earlier run. If there is none, the estimate is the mean time
    of the finished stages of the same kind, such as ``evolve``. If there are no such stages, it is the mean time of all
    stages whose times are known, provided that at least three are known. When a tenth of a running stage is done, the
    stage is estimated from its own speed.

    Args:
        clock: Returns the seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.began = clock()
        """The time when the run began."""
        self.total: int | None = None
        """Number of stages of the whole run; None if it is not known."""
        self.ended: list[EndedStage] = []
        """The complete stages. In a comparison, several runs have stages of the same name."""
        self.running: str | None = None
        """Name of the stage that runs; None between two stages."""
        self.work: Work | None = None
        """The work of the stage that runs; None if it shows none."""
        self._stages: dict[str, float | None] = {}
        self._running_since = 0.0

    def begin(self, stages: Mapping[str, float | None]) -> None:
        self._stages, self.total = dict(stages), len(stages)

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Steps]:
        self.work = Work(label, total, unit)
        try:
            yield self
        finally:
            self.work = None

    def advance(self, note: str | None = None, *, steps: int = 1) -> None:
        assert self.work is not None, "`track` begins the work"
        self.work.done += steps
        if note is not None:
            self.work.note = note

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        if seconds is None:
            self.running, self._running_since = name, self.clock()
        else:
            self._stages[name] = seconds
            self.ended.append(EndedStage(name, seconds, cached))
            self.running = None

    def seconds(self) -> float:
        """Return the seconds since the run began."""
        return self.clock() - self.began

    def left(self) -> float | None:
        """Estimate the seconds until the run ends.

        The result is None if the number of stages is not known, or if a stage cannot be estimated yet. It is zero when
        all stages are complete.
        """
        if self.total is None:
            return None
        complete = {stage.name for stage in self.ended}
        expected = [self._expected(name) for name in self._stages if name not in complete]
        if any(seconds is None for seconds in expected):
            return None
        return sum(seconds for seconds in expected if seconds is not None)

    def is_complete(self) -> bool:
        """Return whether all stages of the run are complete."""
        return self.total is not None and len(self.ended) >= self.total

    def as_json(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return {
            "began": self.began,
            "stages": list(self._stages.items()),
            "total": self.total,
            "ended": [asdict(stage) for stage in self.ended],
            "running": self.running,
            "running_since": self._running_since,
            "work": None if self.work is None else asdict(self.work),
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Self:
        """Return the state that `as_json` has written.

        Raises:
            KeyError, TypeError, ValueError: It is no such state.
        """
        state = cls()
        state.began, state.total = float(written["began"]), written["total"]
        state._stages = {name: None if seconds is None else float(seconds) for name, seconds in written["stages"]}
        state.ended = [EndedStage(**stage) for stage in written["ended"]]
        state.running, state._running_since = written["running"], float(written["running_since"])
        state.work = None if written["work"] is None else Work(**written["work"])
        return state

    def _expected(self, name: str) -> float | None:
        """Return the seconds that a stage still needs until it is complete, or None if they cannot be estimated."""
        if name == self.running:
            spent, share = self.clock() - self._running_since, self._share()
            if share >= _ENOUGH:
                return spent * (1 - share) / share
            known = self._known(name)
            return None if known is None else max(known - spent, 0.0)
        return self._known(name)

    def _share(self) -> float:
        return 0.0 if self.work is None else self.work.share

    def _known(self, name: str) -> float | None:
        earlier = self._stages[name]
        if earlier is not None:
            return earlier
        known = {other: seconds for other, seconds in self._stages.items() if seconds is not None}
        if self.running is not None and self._share() >= _ENOUGH:
            known[self.running] = (self.clock() - self._running_since) / self._share()
        kind = name.partition("/")[0]
        alike = [seconds for other, seconds in known.items() if other.partition("/")[0] == kind]
        chosen = alike or list(known.values())
        return sum(chosen) / len(chosen) if alike or len(chosen) >= _FEW else None
