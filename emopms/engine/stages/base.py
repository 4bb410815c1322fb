"""The base class of stages. A stage reads artefacts (the stored results of other stages), writes an artefact, and
declares all values that change its result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """One step of a run. Its inputs and its results are classes of `emopms.engine.results`."""

    version: ClassVar[int] = 1
    """Version of the code that computes the stage. Raise it when the code gives another result for the same settings
    and inputs."""

    name: str
    """Name of the stage, such as ``evolve/2``. It is unique in the plan."""
    inputs: tuple[str, ...] = ()
    """Names of the stages whose stored results this stage reads."""
    settings: Mapping[str, Any]
    """All values of the spec that change the result, as JSON, with defaults filled in."""

    @abstractmethod
    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Run the stage, and store its results.

        Args:
            context: The context of the run.
            inputs: Stored results of the stages that the field ``inputs`` names.
            out: Receives the results. It may hold the journals of an interrupted attempt with the same key.
        """

    def check(self, context: Context, out: Workspace) -> None:
        """Raise now, before any stage runs, an error with which this stage would end later. The default is to check
        nothing.

        Args:
            context: The context of the run.
            out: The workspace of the stage. Only temporary folders may be made in it.
        """
        return

    @abstractmethod
    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return an estimate of the seconds that the whole stage takes, without the time to read images.

        Args:
            context: The context of the run.
            parts: The summary of each search.
            timer: Times work on random images.
        """
