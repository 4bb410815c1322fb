"""``refine``: search the whole network for a few generations, starting with the joint schemes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.results.schemes import Schemes
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.log import EvaluationLog
from emopms.engine.search.network_costs import NetworkCosts
from emopms.engine.search.network_evaluation import NetworkEvaluation
from emopms.engine.search.stage_search import search
from emopms.engine.search.start import JointStart
from emopms.engine.session.scoring import Scorer, guessing_loss
from emopms.engine.stages.base import Stage
from emopms.pareto import representatives

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.api import Algorithm
    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.spec import Spec


@dataclass(frozen=True, kw_only=True)
class Refine(Stage):
    """Searches the whole network. Its results are `Schemes` with losses on ranking images, and a `SearchSummary`.

    The impairments of sub-networks (increases in the loss of the whole network) do not simply add up (arXiv
    2410.14649): a later sub-network may reduce or increase the error of an earlier sub-network. A search that measures
    the whole network takes this into account. This search can be short, because it begins with good schemes.
    """

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Search the whole network by its loss on ranking images and by the cost objectives."""
        divided = context.constrained(inputs["constrain"])
        whole, joint = divided.whole, Schemes.load(inputs["join"])
        costs = NetworkCosts(context, whole)
        scorer = Scorer(whole, context.image_sets.ranking, context.device, int8=context.int8, hold=True)
        front = search(
            context,
            self.name,
            whole,
            cache=EvaluationCache(NetworkEvaluation(scorer, costs), EvaluationLog(out.journal("judged"))),
            start=JointStart(joint.genomes, [sub.channels.genes for sub in divided.searched]),
            algorithm=refinement(context.spec),
            shown=(0, 1),
            out=out,
        )
        loss, cost = front.objectives[:, 0], front.objectives[:, 1:]
        best = representatives(
            loss[front.pruned], cost[front.pruned], context.spec.schemes, worst=guessing_loss(context.classes)
        )
        best = best[np.lexsort((loss[best], cost[best, 0]))]  # cheapest first
        rows = np.append(best, front.dense)
        Schemes(genomes=front.genomes[rows], impairment=loss[rows] - loss[front.dense], costs=cost[rows]).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds of the search, if it measures as many networks as it can."""
        return max_refinements(context.spec) * timer.forward(context.spec.data.calibration)


def refinement(spec: Spec) -> Algorithm:
    """Return the spec's algorithm with as many generations as ``refine`` says, and a population at least as large as
    the number of joint schemes."""
    size = max(spec.algorithm.pop_size, spec.schemes)
    return spec.algorithm.model_copy(update={"generations": spec.refine, "pop_size": size})


def max_refinements(spec: Spec) -> int:
    """Return the maximum number of networks that the search measures: the dense network, and the candidates of all
    generations."""
    algorithm = refinement(spec)
    return 1 + algorithm.pop_size * algorithm.generations
