"""``join``: combine pruned sub-networks, one from each ranked front, into schemes for the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emopms.engine.results.front import RankedFront
from emopms.engine.results.schemes import JoinSummary, Schemes
from emopms.engine.session.scoring import guessing_loss
from emopms.engine.stages.base import Stage
from emopms.engine.support.component_calls import guarded_call, validate_array
from emopms.pareto import representatives

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer


@dataclass(frozen=True, kw_only=True)
class Join(Stage):
    """Joins the fronts of all searches. Its results are `Schemes` with predicted values, and a `JoinSummary`.

    Of all schemes that the ranker finds, the stage keeps as many as the spec asks for, spread over their front.
    """

    version: ClassVar[int] = 5

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Let the spec's ranker combine pruned sub-networks from all ranked fronts into schemes, and store the
        schemes."""
        divided = context.constrained(inputs["constrain"])
        fronts = [RankedFront.load(inputs["rank"], sub.name) for sub in divided.searched]
        with guarded_call(context.spec.ranker, "join the fronts"):
            found = context.spec.ranker.join([front.sub_front for front in fronts])
            validate_array(found.choices, "integers", None, len(fronts))
            validate_array(found.impairment, "numbers", len(found.choices))
            validate_array(found.costs, "numbers", len(found.choices), fronts[0].costs.shape[1])
        dense = [front.dense for front in fronts]
        best = representatives(
            found.impairment, found.costs, context.spec.schemes, worst=guessing_loss(context.classes)
        )
        best = best[(found.choices[best] != dense).any(axis=1)]
        choices = np.concatenate([found.choices[best], [dense]])
        genomes = [front.genomes[choices[:, i]] for i, front in enumerate(fronts)]
        Schemes(
            genomes=np.concatenate(genomes, axis=1),
            impairment=np.append(found.impairment[best], 0.0),
            costs=np.concatenate([found.costs[best], [sum(front.costs[front.dense] for front in fronts)]]),
        ).save(out)
        JoinSummary(joint_schemes=len(found.choices)).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return 0 as the estimated seconds of this stage, because it measures no network."""
        return 0.0
