"""The progress of a run. The command line shows it as bars; by default it is not shown."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager


class Steps(Protocol):
    """The display of the progress of one long piece of work."""

    def advance(self, note: str | None = None, *, steps: int = 1) -> None:
        """Show that more steps of the work are done.

        Args:
            note: The present state, such as a loss. Without it, the last note stays.
            steps: Number of steps since the last call.
        """


class Progress(Protocol):
    """A display of the progress of a run."""

    def begin(self, stages: Mapping[str, float | None]) -> None:
        """Receive the stages of the whole run, before the first stage begins.

        Args:
            stages: The seconds that each stage took in an earlier run, by name, in the order in which stages run. The
                earlier run may have had other settings. None if no earlier run completed the stage.
        """

    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Steps]:
        """Show a piece of work while the ``with`` statement runs.

        Args:
            label: Name of the work.
            total: Number of steps of the work.
            unit: Name of a step in the plural, such as ``generations``.
        """

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        """Show that a stage begins or ends, or that it is loaded from the store.

        Args:
            name: Name of the stage.
            cached: Whether the stage is loaded from the store.
            seconds: Duration of the stage; None when it begins.
        """


class Silent:
    """A display of progress that shows nothing."""

    def begin(self, stages: Mapping[str, float | None]) -> None:
        pass

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Steps]:
        yield self

    def advance(self, note: str | None = None, *, steps: int = 1) -> None:
        pass

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        pass
