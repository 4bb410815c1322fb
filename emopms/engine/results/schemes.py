"""Schemes with predicted or measured values. A scheme is a genome of the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.results.stored import StoredPoints, Summary
from emopms.pareto import nondominated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Schemes(StoredPoints):
    """Schemes for the whole network, cheapest first, and the dense network in the last row."""

    _file = "schemes"

    genomes: NDArray[np.bool_]
    """Genomes [s, genes] of the schemes; True keeps a channel."""
    impairment: NDArray[np.float64]
    """Predicted increase [s] in the loss of the network when it is pruned by each scheme."""
    costs: NDArray[np.float64]
    """Costs [s, k] of the networks pruned by the schemes, one column for each cost objective."""


@dataclass(frozen=True)
class MeasuredSchemes(StoredPoints):
    """Schemes measured on validation images, cheapest first, and the dense network in the last row."""

    _file = "schemes"

    genomes: NDArray[np.bool_]
    """Genomes [s, genes] of the schemes; True keeps a channel."""
    predicted_loss: NDArray[np.float64]
    """For each scheme [s]: the loss of the dense network plus the impairment of the scheme that an earlier stage
    predicted."""
    loss: NDArray[np.float64]
    """Mean cross-entropy [s] of the network pruned by each scheme."""
    accuracy: NDArray[np.float64]
    """Share of correct answers [s] of the network pruned by each scheme, from 0 to 1."""
    macs: NDArray[np.int64]
    """Multiply-accumulates [s] for one image of the network pruned by each scheme."""
    params: NDArray[np.int64]
    """Number of parameters [s] of the network pruned by each scheme."""
    costs: NDArray[np.float64]
    """Costs [s, k] of the networks pruned by the schemes, one column for each cost objective."""
    on_front: NDArray[np.bool_]
    """Whether each scheme [s] is non-dominated in loss and costs."""

    def with_more(self, more: MeasuredSchemes | None) -> MeasuredSchemes:
        """Return these schemes with those of a search near a target between their pruned schemes and the dense network.

        A row of the result is a row of these schemes if it is below ``self.dense``.
        """
        if more is None:
            return self
        rows = {
            name: np.concatenate([values[self.pruned], getattr(more, name)[more.pruned], values[self.dense :]])
            for name, values in vars(self).items()
        }
        on_front = np.zeros(len(rows["loss"]), dtype=np.bool_)
        on_front[nondominated(np.column_stack([rows["loss"], rows["costs"]]))] = True
        return MeasuredSchemes(**rows | {"on_front": on_front})

    def costs_by_name(self, objectives: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Return the costs [s] of the networks by name: MACs, parameters, and those of the objectives.

        Args:
            objectives: Names of the cost objectives, in the order of the columns of ``costs``.
        """
        columns = {name: self.costs[:, index] for index, name in enumerate(objectives)}
        return columns | {"macs": self.macs.astype(np.float64), "params": self.params.astype(np.float64)}


@dataclass(frozen=True)
class JoinSummary(Summary):
    """The number of schemes that the spec's ranker found when it combined the fronts of all searches."""

    _file = "summary"

    joint_schemes: int
    """Number of all schemes that the ranker found, of which only as many as the spec asks for are stored."""


@dataclass(frozen=True)
class MeasureSummary(Summary):
    """The quality of the whole search, from the measured schemes."""

    _file = "summary"

    kendall_tau: float
    """Rank correlation of predicted and measured loss, from −1 to 1; 0 if all predictions are equal."""
    measured: int
    """Number of measured networks whose loss and costs are finite."""
    hypervolume: float
    """Hypervolume of the loss and of the first cost. The cost is divided by the cost of the dense network."""
    hypervolume_reference: list[float]
    """Reference point of the hypervolume: the loss of guessing, and 1, which is the cost of the dense network."""
