"""Schemes, which are genomes of the whole network, with predicted or measured values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True)
class Schemes:
    """Schemes for the whole network, cheapest first, and the dense network in the last row."""

    genomes: NDArray[np.bool_]
    """[s, genes]; True keeps a channel."""
    impairment: NDArray[np.float64]
    """[s]: the expected increase in the loss of the network."""
    costs: NDArray[np.float64]
    """[s, k], one column for each cost objective."""

    @property
    def dense(self) -> int:
        """Row of the dense network."""
        return len(self.genomes) - 1

    def save(self, out: Workspace) -> None:
        """Store the schemes as ``schemes.npz``."""
        out.save_arrays("schemes", **vars(self))

    @classmethod
    def load(cls, artefact: Artefact) -> Schemes:
        """Load the schemes that `save` stored."""
        return cls(**artefact.arrays("schemes"))


@dataclass(frozen=True)
class MeasuredSchemes:
    """Schemes measured on validation images, cheapest first, and the dense network in the last row."""

    genomes: NDArray[np.bool_]
    """[s, genes]; True keeps a channel."""
    predicted_loss: NDArray[np.float64]
    """[s]: loss of the dense network plus the impairment that an earlier stage expected."""
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

    @property
    def dense(self) -> int:
        """Row of the dense network."""
        return len(self.genomes) - 1

    def save(self, out: Workspace) -> None:
        """Store the schemes as ``schemes.npz``."""
        out.save_arrays("schemes", **vars(self))

    @classmethod
    def load(cls, artefact: Artefact) -> MeasuredSchemes:
        """Load the schemes that `save` stored."""
        return cls(**artefact.arrays("schemes"))


@dataclass(frozen=True)
class JoinSummary:
    """The number of schemes that the ranker found."""

    joint_schemes: int
    """Number of all schemes. `Schemes` holds only as many of them as the spec asks for."""

    def save(self, out: Workspace) -> None:
        """Store the summary as ``summary.json``."""
        out.save_json("summary", asdict(self))

    @classmethod
    def load(cls, artefact: Artefact) -> JoinSummary:
        """Load the summary that `save` stored."""
        return cls(**artefact.json("summary"))


@dataclass(frozen=True)
class MeasureSummary:
    """The quality of the whole search, from the measured schemes."""

    kendall_tau: float
    """Rank correlation of predicted and measured loss, from −1 to 1; 0 if all predictions are equal."""
    measured: int
    """Number of networks with a finite loss and finite costs."""
    hypervolume: float
    """Hypervolume of the loss and the first cost, which is divided by the cost of the dense network."""
    hypervolume_reference: tuple[float, float]
    """Reference point of the hypervolume: the loss of guessing, and the cost of the dense network, which is 1."""

    def save(self, out: Workspace) -> None:
        """Store the summary as ``summary.json``."""
        out.save_json("summary", asdict(self))

    @classmethod
    def load(cls, artefact: Artefact) -> MeasureSummary:
        """Load the summary that `save` stored."""
        fields = artefact.json("summary")
        return cls(**fields | {"hypervolume_reference": tuple(fields["hypervolume_reference"])})
