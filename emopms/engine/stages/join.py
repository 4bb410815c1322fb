"""``join``: combine the fronts into schemes for the whole network, and re-measure the best of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.stats import kendalltau

from emopms.api import JointSchemes, SubFront
from emopms.engine.blame import at_work
from emopms.engine.measure import BATCH, guessing_loss, score_schemes
from emopms.engine.stage import Stage
from emopms.network.subnetwork import Evaluator
from emopms.pareto import hypervolume, nondominated, spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from emopms.engine.context import Context
    from emopms.engine.store import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Join(Stage):
    """Gives ``schemes`` and ``summary``.

    ``schemes``: arrays over all re-measured joint schemes, cheapest first, the dense one last: ``choices``
    [s, n], ``predicted_loss``, ``loss``, ``accuracy``, ``macs``, ``params`` [s], ``costs`` [s, k] and ``on_front`` [s].
    Impairments do not simply add up (arXiv 2410.14649): hence the re-measurement, on validation images, and
    Kendall's tau between what the sums predicted and what was measured.
    """

    version: ClassVar[int] = 2

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        subnetworks = context.divide(context.network(inputs["constrain"].tensors("network")))
        fronts = [inputs["rank"].arrays(f"front-{sub.index + 1}") for sub in subnetworks]
        with at_work(context.spec.ranker, "join the fronts"):
            schemes = context.spec.ranker.join([SubFront(front["impairment"], front["costs"]) for front in fronts])
        dense = np.array([[len(front["genomes"]) - 1 for front in fronts]])
        chosen = schemes.choices[_best(schemes, context.spec.schemes)]
        choices = np.concatenate([chosen[~(chosen == dense).all(axis=1)], dense])

        images = context.splits.validation
        with context.progress.track(self.name, len(choices) * images.parts(BATCH), "measurements") as tracker:
            scores = score_schemes(
                [Evaluator(sub) for sub in subnetworks],
                [front["genomes"] for front in fronts],
                choices,
                images,
                context.device,
                on_batch=lambda steps: tracker.advance(steps=steps),
            )
        loss = np.array([score.loss for score in scores])
        impairment, costs, macs, params = (
            sum(front[name][choices[:, i]] for i, front in enumerate(fronts))
            for name in ("impairment", "costs", "macs", "params")
        )
        predicted = loss[-1] + impairment
        on_front = np.zeros(len(choices), dtype=np.bool_)
        on_front[nondominated(np.column_stack([loss, costs]))] = True
        reference = (guessing_loss(context.classes), 1.0)
        volume = hypervolume(np.column_stack([loss, costs[:, 0] / costs[-1, 0]]), reference)
        tau = float(np.nan_to_num(kendalltau(predicted, loss).statistic))  # all equal: no order to predict
        out.save_arrays(
            "schemes",
            choices=choices,
            predicted_loss=predicted,
            loss=loss,
            accuracy=np.array([score.accuracy for score in scores]),
            macs=macs,
            params=params,
            costs=costs,
            on_front=on_front,
        )
        out.save_json(
            "summary",
            {
                "kendall_tau": tau,
                "joint_schemes": len(schemes.choices),
                "measured": len(choices),
                "hypervolume": volume,
                "hypervolume_reference": list(reference),
            },
        )


def _best(schemes: JointSchemes, count: int) -> NDArray[np.intp]:
    """Indices of at most ``count`` schemes: for each cost in turn the best by prediction, spread over its range."""
    costs = schemes.costs.shape[1]
    chosen: set[int] = set()
    for index in range(costs):
        front = nondominated(np.column_stack([schemes.impairment, schemes.costs[:, index]]))
        chosen |= set(front[spread(schemes.costs[front, index], -(-count // costs))].tolist())
    return np.array(sorted(chosen), dtype=np.intp)
