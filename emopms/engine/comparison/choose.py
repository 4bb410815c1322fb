"""``choose/<method>/<target>``: let a baseline choose channels of the pretrained network."""

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
    """Lets a baseline choose a genome of the whole network on calibration images. Its result is a `Choice`."""

    baseline: Baseline
    """The baseline."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Ask the baseline, and check its answer.

        Raises:
            ComponentError: The baseline failed, or its genome is not valid or not within the bounds.
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
        costs = {cost: int(getattr(whole.costs, cost)(whole.dense[None])[0]) for cost in self.target.cost_bounds}
        return _LoggedTask(
            log=log,
            **vars(task),
            bounds={cost: int(bound * costs[cost]) for cost, bound in self.target.cost_bounds.items()},
            multiple=context.spec.genome.channel_multiple,
            rng=numpy_rng(context.spec.seed, self.name),
        )


@dataclass(frozen=True, kw_only=True)
class _LoggedTask(PruningTask):
    """A task that takes losses from the journal of an interrupted attempt, which asked for the same genomes."""

    log: EvaluationLog

    def measure(self, genomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        losses: NDArray[np.float64] = self._cache.evaluate(genomes)[:, 0]
        return losses

    @cached_property
    def _cache(self) -> EvaluationCache:
        return EvaluationCache(_Losses(super().measure), self.log)


@dataclass(frozen=True)
class _Losses:
    """Evaluates genomes by their losses."""

    measure: Callable[[NDArray[np.bool_]], NDArray[np.float64]]

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Return the losses [n, 1] of genomes [n, genes]."""
        losses = self.measure(genomes)[:, None]
        losses[~np.isfinite(losses)] = np.nan
        return Evaluations(losses)


def _require_valid(genome: NDArray[np.bool_], task: PruningTask) -> None:
    if not np.array_equal(task.subnetwork.repair(genome[None], np.zeros(len(genome)))[0], genome):
        raise ValueError("returned a genome in which a group or a layer has no channel left")
    if not task.fits(genome[None])[0]:
        raise ValueError(f"returned a genome that is not within the bounds {dict(task.bounds)}")
