"""How a run tells what it is doing. The command line draws bars; the default says nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Tracker(Protocol):
    """One long piece of work in progress."""

    def advance(self, note: str = "", *, steps: int = 1) -> None:
        """Some steps are done; the note tells how it stands."""


class Progress(Protocol):
    """Where long work is shown."""

    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Tracker]:
        """Show work of ``total`` units, such as 30 generations."""

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        """A stage begins (no seconds), has ended, or is taken from the store."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Tracker]:
        yield self

    def advance(self, note: str = "", *, steps: int = 1) -> None:
        pass

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        pass
