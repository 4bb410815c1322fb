"""Schemes with predicted or measured values. A scheme is a genome of the whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from emopms.engine.results.stored import Points, Summary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True)
class Schemes(Points):
    """Schemes for the whole network, cheapest first, and the dense network in the last row."""

    genomes: NDArray[np.bool_]
    """[s, genes]; True keeps a channel."""
    impairment: NDArray[np.float64]
    """[s]: the predicted increase in the loss of the network."""
    costs: NDArray[np.float64]
    """[s, k], one column for each cost objective."""

    def save(self, out: Workspace) -> None:
        """Store the schemes as ``schemes.npz``."""
        self._save(out, "schemes")

    @classmethod
    def load(cls, artefact: Artefact) -> Self:
        """Load the schemes that `save` stored."""
        return cls._load(artefact, "schemes")


@dataclass(frozen=True)
class MeasuredSchemes(Points):
    """Schemes measured on validation images, cheapest first, and the dense network in the last row."""

    genomes: NDArray[np.bool_]
    """[s, genes]; True keeps a channel."""
    predicted_loss: NDArray[np.float64]
    """[s]: loss of the dense network plus the impairment that an earlier stage predicted."""
    loss: NDArray[np.float64]
    """[s]: mean cross-entropy."""
    accuracy: NDArray[np.float64]
    """[s]: share of correct answers, from 0 to 1."""
    macs: NDArray[np.int64]
    """[s]: multiply-accumulates for one image."""
    params: NDArray[np.int64]
    """[s]: number of parameters."""
    costs: NDArray[np.float64]
    """[s, k], one column for each cost objective."""
    on_front: NDArray[np.bool_]
    """[s]: whether the scheme is non-dominated in loss and costs."""

    def save(self, out: Workspace) -> None:
        """Store the schemes as ``schemes.npz``."""
        self._save(out, "schemes")

    @classmethod
    def load(cls, artefact: Artefact) -> Self:
        """Load the schemes that `save` stored."""
        return cls._load(artefact, "schemes")


@dataclass(frozen=True)
class JoinSummary(Summary):
    """The number of schemes that the ranker found."""

    _file = "summary"

    joint_schemes: int
    """Number of all schemes that the ranker found. `Schemes` holds only as many schemes as the spec asks for."""


@dataclass(frozen=True)
class MeasureSummary(Summary):
    """The quality of the whole search, from the measured schemes."""

    _file = "summary"

    kendall_tau: float
    """Rank correlation of predicted and measured loss, from −1 to 1; 0 if all predictions are equal."""
    measured: int
    """Number of networks with a finite loss and finite costs."""
    hypervolume: float
    """Hypervolume of the loss and of the first cost. The cost is divided by the cost of the dense network."""
    hypervolume_reference: list[float]
    """Reference point of the hypervolume: the loss of guessing, and 1, which is the cost of the dense network."""
