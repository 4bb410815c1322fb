"""The costs of networks by name: MACs and parameters, which are counted, and the cost objectives of the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.api import Cost
from emopms.spec.target import COUNTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from emopms.network.costs.cost_model import CostModel
    from emopms.spec import Spec


def cost_names(spec: Spec) -> list[str]:
    """Return the names of the spec's cost objectives, in the order of the columns of evaluated costs."""
    return [objective.name for objective in spec.objectives if isinstance(objective, Cost)]


def named_costs(
    names: Sequence[str], evaluated: NDArray[np.float64], genomes: NDArray[np.bool_], counts: CostModel
) -> dict[str, NDArray[np.float64]]:
    """Return all costs [n] of pruned networks, by name. A counted cost takes the place of an objective of its name.

    Args:
        names: Names of the cost objectives (see `cost_names`).
        evaluated: Their values [n, k].
        genomes: The genomes [n, genes] of the networks.
        counts: Counts the MACs and the parameters.
    """
    counted = {name: getattr(counts, name)(genomes) for name in COUNTED}
    return dict(zip(names, evaluated.T, strict=True)) | counted
