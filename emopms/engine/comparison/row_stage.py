"""The stages of one row of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emopms.engine.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.spec import Target


@dataclass(frozen=True, kw_only=True)
class RowStage(Stage):
    """A stage for one baseline and one target."""

    target: Target
    """The target of the spec."""

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return 0: ``emopms plan`` forecasts runs, and no comparisons."""
        return 0.0
