"""``choose/<method>/<target>``: let a baseline choose the channels that the pretrained network keeps. A baseline is a
pruning method that searches are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from emopms.api import PruningTask
from emopms.engine.comparison.row_stage import RowStage
from emopms.engine.results.choice import Choice
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import Evaluations
from emopms.engine.search.log import EvaluationLog
from emopms.engine.search.task import make_task
from emopms.engine.support.component_calls import guarded_call, validate_array
from emopms.engine.support.seeds import numpy_rng
from emopms.network.criteria import ClassifierLoss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from emopms.api import Baseline
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Choose(RowStage):
    """Lets a baseline (a pruning method that searches are compared with) choose a genome of the whole network, with
    calibration images. Its result is a `Choice`."""

    baseline: Baseline
    """The baseline: the pruning method that chooses the genome."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Let the baseline choose a genome, check the genome, and store it.

        Raises:
            ComponentError: The baseline failed, or the chosen genome is not valid or exceeds a cost bound of the
                target.
        """
        task = self._task(context, inputs["pretrain"], EvaluationLog(out.journal("judged")))
        with guarded_call(self.baseline, "choose channels"):
            genome = np.asarray(self.baseline.prune(task))
            validate_array(genome, "booleans", task.genes)
            _require_valid(genome, task)
        Choice(genome, task.evaluations).save(out)

    def _task(self, context: Context, pretrained: Artefact, log: EvaluationLog) -> PruningTask:
        divided = context.divided(pretrained)
        whole, criteria = divided.whole, nn.ModuleList([ClassifierLoss().eval()])
        task = make_task(context.image_sets.calibration, divided, whole, criteria, context.device)
        dense = {cost: float(getattr(whole.costs, cost)(whole.dense[None])[0]) for cost in self.target.cost_bounds}
        return _LoggedTask(
            log=log,
            **vars(task),
            bounds={cost: int(limit) for cost, limit in self.target.limits(dense).items()},
            multiple=context.spec.genome.channel_multiple,
            rng=numpy_rng(context.spec.seed, self.name),
        )


@dataclass(frozen=True, kw_only=True)
class _LoggedTask(PruningTask):
    """The pruning task of a baseline. If an interrupted attempt stored the loss of a genome in its journal, the loss is
    taken from there."""

    log: EvaluationLog

    def measure(self, genomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        losses: NDArray[np.float64] = self._cache.evaluate(genomes)[:, 0]
        return losses

    @cached_property
    def _cache(self) -> EvaluationCache:
        return EvaluationCache(_Losses(super().measure), self.log)


@dataclass(frozen=True)
class _Losses:
    """Evaluates genomes by one objective: the loss of the whole network when it is pruned by the genome."""

    measure: Callable[[NDArray[np.bool_]], NDArray[np.float64]]

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Return the losses [n, 1] of the network pruned by each of the genomes [n, genes]; NaN for a loss that is not
        finite."""
        losses = self.measure(genomes)[:, None]
        losses[~np.isfinite(losses)] = np.nan
        return Evaluations(losses)


def _require_valid(genome: NDArray[np.bool_], task: PruningTask) -> None:
    if not np.array_equal(task.subnetwork.repair(genome[None], np.zeros(len(genome)))[0], genome):
        raise ValueError("returned a genome in which a group or a layer keeps too few channels")
    if not task.fits(genome[None])[0]:
        raise ValueError(f"returned a genome that is not within the bounds {dict(task.bounds)}")
