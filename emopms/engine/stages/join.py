"""``join``: combine the fronts into schemes for the whole network, and re-measure the best of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from loguru import logger
from scipy.stats import kendalltau

from emopms.api import Cost, SubFront
from emopms.engine.blame import at_work, require_array
from emopms.engine.judging import judged
from emopms.engine.measure import BATCH, guessing_loss, score_candidates
from emopms.engine.stage import Stage
from emopms.engine.stages.evolve import make_task
from emopms.errors import RunError
from emopms.network.divided import DividedNetwork
from emopms.network.judges import OwnClassifier
from emopms.pareto import hypervolume, nondominated, representatives

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    version: ClassVar[int] = 4

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        divided = context.divide(context.network(inputs["constrain"].tensors("network")))
        fronts = [inputs["rank"].arrays(f"front-{sub.name}") for sub in divided.searched]
        with at_work(context.spec.ranker, "join the fronts"):
            schemes = context.spec.ranker.join([SubFront(front["impairment"], front["costs"]) for front in fronts])
            require_array(schemes.choices, "integers", None, len(fronts))
            require_array(schemes.impairment, "numbers", len(schemes.choices))
            require_array(schemes.costs, "numbers", len(schemes.choices), fronts[0]["costs"].shape[1])
        dense = np.array([[len(front["genomes"]) - 1 for front in fronts]])
        chosen = schemes.choices[
            representatives(
                schemes.impairment, schemes.costs, context.spec.schemes, worst=guessing_loss(context.classes)
            )
        ]
        choices = np.concatenate([chosen[~(chosen == dense).all(axis=1)], dense])
        genomes = np.concatenate([front["genomes"][choices[:, i]] for i, front in enumerate(fronts)], axis=1)

        images = context.splits.validation
        with context.progress.track(self.name, len(choices) * images.parts(BATCH), "measurements") as tracker:
            scores = score_candidates(
                divided.whole,
                genomes,
                images,
                context.device,
                out.journal("measured"),
                on_batch=lambda steps: tracker.advance(steps=steps),
            )
        loss = np.array([score.loss for score in scores])
        accuracy = np.array([score.accuracy for score in scores])
        known = np.isfinite(loss)
        if not known.all():
            logger.warning("{}: {} networks have no finite loss and are left out", self.name, int((~known).sum()))
            choices, genomes, loss, accuracy = choices[known], genomes[known], loss[known], accuracy[known]
        costs = _costs(context, divided, genomes, fronts, choices)
        predicted = loss[-1] + _sum(fronts, choices, "impairment")
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
            accuracy=accuracy,
            macs=divided.costs.macs(genomes),
            params=divided.costs.params(genomes),
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


def _costs(
    context: Context,
    divided: DividedNetwork,
    genomes: NDArray[np.bool_],
    fronts: Sequence[Mapping[str, NDArray[Any]]],
    choices: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Costs [s, k] of joint schemes, given as genomes of the whole network [s, genes] and as choices [s, n]."""
    if divided.boundaries is None:
        return _sum(fronts, choices, "costs")
    # What a layer saves by its own channels and by those that enter it does not add up.
    whole = DividedNetwork(divided.network, [divided.whole], divided.example)
    judges = torch.nn.ModuleList([OwnClassifier()])
    task = make_task(context.splits.calibration, whole, divided.whole, judges, context.device)
    found = judged(genomes, task, [objective for objective in context.spec.objectives if isinstance(objective, Cost)])
    if found.cause:
        raise RunError(f"The costs of joint schemes cannot be told: {found.cause}")
    return found.values


def _sum(fronts: Sequence[Mapping[str, NDArray[Any]]], choices: NDArray[np.intp], name: str) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.sum([front[name][choices[:, i]] for i, front in enumerate(fronts)], axis=0)
    return total
