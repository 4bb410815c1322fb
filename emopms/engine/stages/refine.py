"""``refine``: a short search of the whole network that begins with the joint schemes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import Evaluations
from emopms.engine.search.network_costs import NetworkCosts
from emopms.engine.search.stage_search import EvaluationLog, search
from emopms.engine.session.scoring import Scorer, guessing_loss
from emopms.engine.stages.base import Stage
from emopms.pareto import representatives

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from emopms.api import Algorithm
    from emopms.engine.session.context import Context
    from emopms.engine.storage.store import Artefact, Workspace
    from emopms.spec import Spec


@dataclass(frozen=True, kw_only=True)
class Refine(Stage):
    """Gives ``schemes`` as ``join`` does, but measured: ``impairment`` is what the whole network loses on the ranking
    images. Gives ``search``.

    Impairments do not simply add up (arXiv 2410.14649): what is lost in one sub-network may be made good, or made
    worse, in the next. A search that measures the whole network sees that, and has to find little else.
    """

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        divided = context.constrained(inputs["constrain"])
        whole = divided.whole
        images, cost = context.image_sets.ranking, NetworkCosts(context, whole)
        score = Scorer(whole, images, context.device, int8=context.int8, hold=True)

        def evaluate(genomes: NDArray[np.bool_]) -> Evaluations:
            losses, costs = np.array([found.loss for found in score(genomes)]), cost(genomes)
            values, lost = np.column_stack([losses, costs.values]), losses[~np.isfinite(losses)]
            values[~np.isfinite(values).all(axis=1)] = np.nan
            return Evaluations(values, f"The whole network has loss {lost[0]}." if len(lost) else costs.cause)

        log = EvaluationLog(out.journal("judged"))
        cache = EvaluationCache(evaluate, on_new=log.append)
        log.replay(cache)
        genomes, objectives = search(
            context,
            self.name,
            whole,
            cache=cache,
            start=JointStart(inputs["join"].arrays("schemes")["genomes"], [s.channels.genes for s in divided.searched]),
            algorithm=refinement(context.spec),
            shown=(0, 1),
            out=out,
        )
        found = objectives[:-1]  # all but the dense one
        best = representatives(found[:, 0], found[:, 1:], context.spec.schemes, worst=guessing_loss(context.classes))
        best = best[np.lexsort((found[best, 0], found[best, 1]))]  # cheapest first
        rows = np.append(best, len(found))
        out.save_arrays(
            "schemes",
            genomes=genomes[rows],
            impairment=objectives[rows, 0] - objectives[-1, 0],
            costs=objectives[rows, 1:],
        )


def refinement(spec: Spec) -> Algorithm:
    """The spec's algorithm for as long as refining takes, with room for all joint schemes in its population."""
    size = max(spec.algorithm.pop_size, spec.schemes)
    return spec.algorithm.model_copy(update={"generations": spec.refine, "pop_size": size})


class JointStart:
    """Gives joint schemes, each once and first of all; then mixtures, of each sub-network what some scheme keeps of it.

    Args:
        genomes: Of the joint schemes [s, genes], in order along their front.
        genes: How many each sub-network has.
    """

    def __init__(self, genomes: NDArray[np.bool_], genes: Sequence[int]) -> None:
        self._joint, self._left = genomes, genomes
        self._part = np.repeat(np.arange(len(genes)), genes)  # gene -> sub-network

    def __call__(self, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        taken = np.linspace(0, len(self._left) - 1, min(count, len(self._left))).round().astype(np.intp)
        schemes, self._left = self._left[taken], np.delete(self._left, taken, axis=0)
        parents = rng.integers(len(self._joint), size=(count - len(taken), self._part[-1] + 1))
        return np.concatenate([schemes, self._joint[parents[:, self._part], np.arange(len(self._part))]])
