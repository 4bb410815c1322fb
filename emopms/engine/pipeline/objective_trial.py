"""Evaluates each objective once before all stages: a broken one should not be found after hours of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from loguru import logger

from emopms.api import Cost
from emopms.engine.search.evaluation import values_by
from emopms.engine.search.named_costs import cost_names
from emopms.engine.search.network_costs import NetworkCosts
from emopms.engine.search.task import make_task
from emopms.engine.stages.evolve import Evolve
from emopms.engine.support.machine_failures import is_passing
from emopms.errors import ComponentError, Problem, SpecError
from emopms.spec.target import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emopms.api import Objective
    from emopms.engine.stages.base import Stage
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.network.partition.subnetwork import SubNetwork

_FEW = 2
"""Number of random images on which objectives are tried first: the fewest that batch norm can train with."""

_REMEDY = "Repair it, or take it out of `objectives`. A trial before all stages found this; nothing was trained."


def try_objectives(timer: WorkTimer, stages: Iterable[Stage]) -> None:
    """Evaluate the dense genome of each sub-network, with random weights, by each objective. Refuse bounds on costs
    that not even the smallest network meets.

    An objective that fails on two images is tried again with as many images as the search evaluates. Measured
    objectives, which may take long, are tried with one sub-network. Values of objectives that are no costs depend on
    the trained weights, so they need not be finite here.

    Args:
        timer: Makes random networks and images.
        stages: The stages that will run. Without a search among them, nothing is tried.

    Raises:
        ComponentError: An objective fails, or a cost is not finite.
        RunError: An objective returns an array of the wrong shape.
        SpecError: A bound on a cost cannot be met.
    """
    if not any(isinstance(stage, Evolve) for stage in stages):
        return
    spec = timer.context.spec
    logger.debug("trying the objectives")
    for sub in timer.divided.searched:
        for objective in spec.objectives:
            if objective.measured and sub is not timer.divided.searched[0]:
                continue
            try:
                _try(objective, sub, timer, _FEW)
            except ComponentError as error:
                if is_passing(error):
                    raise
                _try(objective, sub, timer, spec.data.calibration)
    _require_reachable(timer)


def _require_reachable(timer: WorkTimer) -> None:
    """Refuse evaluated costs that do not fall when channels are removed, and bounds on them that the network with the
    fewest channels exceeds. Bounds on MACs and parameters are checked without a trial. Measured costs vary, so they are
    only doubted.

    Raises:
        SpecError: A cost does not fall, or a bound cannot be met. The error lists all of them.
    """
    context, divided = timer.context, timer.divided
    own = {name for name in cost_names(context.spec) if name not in COUNTED}
    measured = {objective.name for objective in context.spec.objectives if objective.measured}
    bounded = {name for target in context.spec.targets for name in target.cost_bounds} - set(COUNTED)
    if not bounded and own <= measured:  # to measure takes long
        return
    least = np.concatenate([context.encoding(sub).least for sub in divided.searched])
    values = NetworkCosts(context, divided.whole).evaluate(np.stack([divided.whole.dense, least])).values
    smallest_costs, dense_costs = values[1], values[0]
    problems: list[Problem] = []
    for name, smallest, dense in zip(cost_names(context.spec), smallest_costs, dense_costs, strict=True):
        if name in own and (wrong := _sense(smallest, dense)):
            if name in measured:
                logger.warning("objective {}: in a short trial, {}", name, wrong)
            else:
                (row,) = (row for row, each in enumerate(context.spec.objectives) if each.name == name)
                remedy = "Check its sign: a cost is positive, and the search makes it small."
                problems += context.spec.problem(("objectives", row), f"{name} is no cost: {wrong}", remedy).problems
                continue
        for index, target in enumerate(context.spec.targets):
            limit = target.limits(dict.fromkeys((*bounded, *COUNTED), float(dense))).get(name)
            if name not in bounded or limit is None or smallest <= limit:
                continue
            said = (
                f"the {name} of the smallest network is {smallest:,.4g}, {smallest / dense:.3f} of the dense network's."
            )
            if name in measured:
                logger.warning("targets[{}].{}: in a short trial, {}", index, name, said)
            else:
                remedy = (
                    "Raise the target, or choose fewer or other split points: what crosses a split keeps its width."
                )
                problems += context.spec.problem(("targets", index, name), f"cannot be met: {said}", remedy).problems
    if problems:
        raise SpecError(problems)


def _sense(smallest: float, dense: float) -> str:
    """Return what is wrong with the values of a cost for the smallest and for the dense network; empty if nothing is.

    A cost that stays the same is of no use, but does no harm.
    """
    if dense < 0 or smallest < 0:
        return f"its value is {dense:,.6g} for the dense network and {smallest:,.6g} for the smallest, below zero."
    if smallest > dense:
        return f"it rises from {dense:,.6g} for the dense network to {smallest:,.6g} for the smallest one."
    return ""


def _try(objective: Objective, sub: SubNetwork, timer: WorkTimer, images: int) -> None:
    """Evaluate the dense genome of a sub-network on random images by one objective.

    Raises:
        ComponentError, RunError: See `try_objectives`.
    """
    task = make_task(timer.images(images), timer.divided, sub, timer.criteria, timer.context.device)
    genomes = np.stack([sub.dense, sub.dense])  # two, so that a wrong shape is seen
    genomes.flags.writeable = False  # as in a search
    try:
        values = values_by(objective, genomes, task)
    except ComponentError as error:
        if is_passing(error):
            raise
        raise ComponentError(error.message, remedy=_REMEDY) from error
    if isinstance(objective, Cost) and not np.isfinite(values).all():
        raise ComponentError(
            f"Objective {objective.name!r} returned {values[0]} for the dense network.", remedy=_REMEDY
        )
