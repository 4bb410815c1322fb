"""``join``: combine the fronts into schemes for the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emopms.api import SubFront
from emopms.engine.session.scoring import guessing_loss
from emopms.engine.stages.base import Stage
from emopms.engine.support.component_calls import guarded_call, validate_array
from emopms.pareto import representatives

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emopms.engine.session.context import Context
    from emopms.engine.storage.store import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Join(Stage):
    """Gives ``schemes``, the spec's number of those that the ranker finds, spread over their front, cheapest first and
    the dense one last: ``genomes`` of the whole network [s, genes], and as predicted ``impairment`` [s] and ``costs``
    [s, k]. Gives ``summary``: how many there are in all.
    """

    version: ClassVar[int] = 5

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        divided = context.constrained(inputs["constrain"])
        fronts = [inputs["rank"].arrays(f"front-{sub.name}") for sub in divided.searched]
        with guarded_call(context.spec.ranker, "join the fronts"):
            found = context.spec.ranker.join([SubFront(front["impairment"], front["costs"]) for front in fronts])
            validate_array(found.choices, "integers", None, len(fronts))
            validate_array(found.impairment, "numbers", len(found.choices))
            validate_array(found.costs, "numbers", len(found.choices), fronts[0]["costs"].shape[1])
        dense = [len(front["genomes"]) - 1 for front in fronts]
        best = representatives(
            found.impairment, found.costs, context.spec.schemes, worst=guessing_loss(context.classes)
        )
        best = best[(found.choices[best] != dense).any(axis=1)]
        choices = np.concatenate([found.choices[best], [dense]])
        genomes = [front["genomes"][choices[:, i]] for i, front in enumerate(fronts)]
        out.save_arrays(
            "schemes",
            genomes=np.concatenate(genomes, axis=1),
            impairment=np.append(found.impairment[best], 0.0),
            costs=np.concatenate([found.costs[best], [sum(front["costs"][-1] for front in fronts)]]),
        )
        out.save_json("summary", {"joint_schemes": len(found.choices)})
