"""``evolve/i``: the search of the i-th sub-network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loguru import logger

from emopms.api import Cost
from emopms.engine.search.cache import cache_for
from emopms.engine.search.criteria import make_criteria
from emopms.engine.search.loop import drawn_by
from emopms.engine.search.stage_search import EvaluationLog, search
from emopms.engine.search.task import make_task
from emopms.engine.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emopms.engine.session.context import Context
    from emopms.engine.storage.store import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Evolve(Stage):
    """Gives ``front`` (arrays ``genomes`` [p, genes], ``objectives`` [p, m], dense genome last) and ``search``."""

    version: ClassVar[int] = 7

    index: int
    """Of what is searched, from 0: the sub-networks, then the boundaries."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        spec = context.spec
        divided = context.constrained(inputs["constrain"])
        criteria = make_criteria(context, divided.parts, state=inputs["selectors"].tensors("judges"))
        sub = divided.searched[self.index]
        known = context.handed_on.pop(self.index, None)
        task = make_task(context.image_sets.calibration, divided, sub, criteria, context.device, handed_on=known)
        if self.index + 1 < len(divided.parts):
            context.handed_on[self.index + 1] = task.references
        log = EvaluationLog(out.journal("judged"))
        cache = cache_for(task, spec.objectives, on_new=log.append)
        log.replay(cache)
        genomes, objectives = search(
            context,
            self.name,
            sub,
            cache=cache,
            start=drawn_by(spec.sampling, task),
            algorithm=spec.algorithm,
            shown=(
                next(i for i, objective in enumerate(spec.objectives) if not isinstance(objective, Cost)),
                next(i for i, objective in enumerate(spec.objectives) if isinstance(objective, Cost)),
            ),
            out=out,
        )
        out.save_arrays("front", genomes=genomes, objectives=objectives)
        for why in task.how():
            logger.info("{}: candidates are run {}", self.name, why)
