"""The base class of the stages that make one row of a comparison of pruning methods."""

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
    """A stage of a comparison, for one pruning method and one target."""

    target: Target
    """The target for which the method prunes the network."""

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return 0 as the estimated seconds. No estimate is needed, because ``emopms plan`` forecasts runs but not
        comparisons."""
        return 0.0
