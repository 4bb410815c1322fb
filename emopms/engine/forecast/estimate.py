"""About how long a stage takes: what it does, times what was timed. Reading the images is not included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.api import ConstraintTraining, TrainedSelector
from emopms.engine.session.training import steps
from emopms.engine.stages.constrain import Constrain
from emopms.engine.stages.evolve import Evolve
from emopms.engine.stages.export import Export
from emopms.engine.stages.finetune import Finetune
from emopms.engine.stages.join import Join
from emopms.engine.stages.measure import Measure
from emopms.engine.stages.pretrain import Pretrain
from emopms.engine.stages.rank import Rank
from emopms.engine.stages.refine import Refine, refinement
from emopms.engine.stages.selectors import Selectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emopms.api import Algorithm
    from emopms.engine.forecast.timing import Timing
    from emopms.engine.pipeline.partition_summary import PartSummary
    from emopms.engine.session.context import Context
    from emopms.engine.session.training import Schedule
    from emopms.engine.stages.base import Stage


def estimate(stage: Stage, context: Context, outlines: Sequence[PartSummary], timing: Timing) -> float:
    """Seconds that a stage takes from its beginning."""
    spec, trained_on = context.spec, context.train_size
    validation = timing.forward(spec.data.validation)

    def training(schedule: Schedule, step: Callable[[], float], *, after_epoch: float = 0.0) -> float:
        if not schedule.epochs:
            return 0.0
        return schedule.epochs * (steps(trained_on, schedule.batch_size) * step() + after_epoch)

    match stage:
        case Pretrain():
            return training(spec.pretrain, timing.pretrain_step, after_epoch=validation) + validation
        case Selectors():
            selector = spec.selector
            if not isinstance(selector, TrainedSelector) or len(context.split_points) == 0:
                return 0.0
            return training(selector, lambda: timing.selector_step(selector))
        case Constrain():
            constraint = spec.constraint
            if not isinstance(constraint, ConstraintTraining):
                return validation
            trained = training(constraint, lambda: timing.constraint_step(constraint))
            return trained + timing.forward(trained_on) + validation
        case Evolve():
            features = timing.forward(spec.data.calibration)
            judged = evaluations(context, outlines[stage.index]) * timing.evaluation(stage.index)
            return features + judged + timing.algorithm(stage.index)
        case Rank():
            points = min(spec.points, spec.algorithm.pop_size)
            return points * _suffixes(context, outlines) * timing.forward(spec.data.calibration)
        case Join():
            return 0.0
        case Refine():
            return refinements(context) * timing.forward(spec.data.calibration)
        case Measure():
            return (spec.schemes + 1) * validation
        case Finetune():
            trained = training(spec.finetune, lambda: timing.finetune_step(stage.target), after_epoch=validation)
            return timing.forward(trained_on) + trained + 2 * validation
        case Export():
            measured = (1 + 2 * len(spec.targets)) * timing.forward(context.source.test_size)
            return measured + len(spec.targets) * timing.export()
    raise AssertionError(f"no estimate for the stage {stage.name}")  # one that was added to the plan, and not here


def evaluations(context: Context, outline: PartSummary) -> int:
    """The most candidates that the search of a sub-network judges: the dense one, and each generation's."""
    asked = _asked(context.spec.algorithm)
    return min(asked, round(10**outline.log10_space)) if outline.log10_space < 15 else asked


def refinements(context: Context) -> int:
    """The most networks that refining measures: the dense one, and each generation's."""
    return _asked(refinement(context.spec))


def _asked(algorithm: Algorithm) -> int:
    return 1 + algorithm.pop_size * algorithm.generations


def _suffixes(context: Context, outlines: Sequence[PartSummary]) -> float:
    """Share of the MACs from each sub-network on, summed: a front point is measured from its sub-network on, one of the
    boundaries from the images on, and we suppose a front to be as large as the population."""
    parts = len(context.split_points) + 1
    macs = [outline.dense.macs for outline in outlines[:parts]]
    return sum(sum(macs[index:]) for index in range(parts)) / sum(macs) + len(outlines) - parts
