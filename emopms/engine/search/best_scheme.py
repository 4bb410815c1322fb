"""Chooses the measured scheme that is best for a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emopms.errors import UnmetTargetError

if TYPE_CHECKING:
    from emopms.engine.results.schemes import MeasuredSchemes
    from emopms.spec import Target


def best_scheme(target: Target, schemes: MeasuredSchemes, names: list[str], dense_accuracy: float) -> int:
    """Return the row of the best scheme for a target.

    Of the schemes that meet all bounds of the target, it is the scheme with the lowest loss. If the target bounds only
    the accuracy, it is the scheme with the fewest MACs.

    Args:
        target: The target.
        schemes: All measured schemes, with the dense network in the last row.
        names: Names of the cost objectives (see `cost_names`).
        dense_accuracy: Validation accuracy of the pretrained dense network. A scheme may lose at most
            ``accuracy_drop`` of it.

    Raises:
        UnmetTargetError: No measured scheme meets all bounds.
    """
    costs = schemes.costs_by_name(names)
    allowed = target.within(costs, schemes.dense)
    if target.accuracy_drop is not None:
        allowed &= schemes.accuracy >= dense_accuracy - target.accuracy_drop
    if not allowed.any():
        least = "; ".join(
            f"the smallest {name} are {costs[name].min() / costs[name][schemes.dense]:.3f} of the dense network's"
            for name in target.cost_bounds
        )
        accurate = (
            f"the best validation accuracy is {schemes.accuracy.max():.2%} (the dense network {dense_accuracy:.2%})"
        )
        raise UnmetTargetError(
            f"No scheme that the search found meets the target {target.slug}: "
            f"{'; '.join(filter(None, [least, accurate]))}.",
            remedy="Loosen the target, search longer (`algorithm: {generations: …}`), or move the split points.",
        )
    within = np.flatnonzero(allowed)
    measure = schemes.loss if target.cost_bounds else schemes.macs
    return int(within[measure[within].argmin()])
