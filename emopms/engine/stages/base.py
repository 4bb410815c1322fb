"""The contract of a stage: artefacts in, one artefact out, and a key that names everything it depends on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.store import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """One step of a run. It reads and writes `emopms.engine.results`."""

    version: ClassVar[int] = 1
    """Raised whenever the same settings and inputs give another result."""

    name: str
    """Unique in the plan, such as ``evolve/2``."""
    inputs: tuple[str, ...] = ()
    """Names of the stages whose artefacts it reads."""
    settings: Mapping[str, Any]
    """Everything in the spec that changes its result, as JSON, defaults filled in."""

    @abstractmethod
    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Do the work.

        Args:
            inputs: Artefacts of the stages in ``inputs``, by name.
            out: Where results go. It may hold what an interrupted attempt with the same key left.
        """

    @abstractmethod
    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return about how many seconds the stage takes from its beginning, reading of images not included.

        Args:
            parts: One a search.
            timer: Times work on random images.
        """
