"""``measure``: measure the best schemes on validation images. No search has used these images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau

from emopms.engine.results.schemes import MeasureSummary, Schemes
from emopms.engine.search.measurement import measure_schemes
from emopms.engine.session.scoring import guessing_loss
from emopms.engine.stages.base import Stage
from emopms.pareto import hypervolume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer


@dataclass(frozen=True, kw_only=True)
class Measure(Stage):
    """Measures schemes on validation images. Its results are `MeasuredSchemes` and a `MeasureSummary`."""

    found_by: str
    """Name of the stage that found the schemes."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Measure loss, accuracy and costs of all schemes, and leave out schemes whose values are not finite.

        Raises:
            RunError: The costs of the dense network cannot be evaluated.
        """
        divided = context.constrained(inputs["constrain"])
        schemes = Schemes.load(inputs[self.found_by])
        measured = measure_schemes(context, divided, schemes, stage=self.name, journal=out.journal("measured"))
        measured.save(out)
        loss, costs = measured.loss, measured.costs
        reference = (guessing_loss(context.classes), 1.0)
        MeasureSummary(
            kendall_tau=float(np.nan_to_num(kendalltau(measured.predicted_loss, loss).statistic)),
            measured=len(loss),
            hypervolume=hypervolume(np.column_stack([loss, costs[:, 0] / costs[-1, 0]]), reference),
            hypervolume_reference=list(reference),
        ).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to measure all schemes and the dense network on validation images."""
        return (context.spec.schemes + 1) * timer.forward(context.spec.data.validated_on(context.source))
