"""Slot ``tracker``: sends the figures of a run to a service or to files in which people compare runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.component import Component
from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@documented
@dataclass(frozen=True)
class TrackedRun:
    """A run that begins or continues."""

    name: str
    """Name of the spec."""
    folder: Path
    """The run directory."""
    spec: Mapping[str, Any]
    """The spec with all defaults, as plain data."""
    facts: Mapping[str, Any]
    """The software and hardware of the process, as plain data."""


@documented
@dataclass(frozen=True)
class TrackedResult:
    """The results of a finished run."""

    figures: Mapping[str, float]
    """All figures of ``result.json`` by path, such as ``models/macs-0.5/accuracy``."""
    front: Sequence[Mapping[str, float]]
    """The rows of ``front.csv``, cheapest scheme first."""
    files: Sequence[Path]
    """The published files: the tables, the report, the spec, the manifest and the models."""


class Tracking(ABC):
    """One run, as a tracker follows it. The methods are called in one thread."""

    @abstractmethod
    def log(self, figures: Mapping[str, float], *, step: int | None = None) -> None:
        """Receive figures of a stage.

        Args:
            figures: The figures by name, such as ``evolve/1/hypervolume``.
            step: For figures with a course, where they are in it, such as the number of candidates evaluated so far.
                None for the final figures of a stage.
        """

    @abstractmethod
    def finish(self, result: TrackedResult) -> None:
        """Receive the results of the run, which is complete. `close` follows."""

    @abstractmethod
    def close(self) -> None:
        """Release what is in use. Also called, without `finish`, if the run ended early."""


class Tracker(Component):
    """A destination for the figures of runs. A tracker that fails is left out, and the run goes on."""

    slot: ClassVar[str] = "tracker"

    @abstractmethod
    def begin(self, run: TrackedRun) -> Tracking:
        """Begin to follow a run.

        A continued run begins again: it sends the figures of its earlier stages once more.
        """
