"""Schemes: genomes of the whole network, as predicted and as measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.storage.store import Artefact, Workspace


@dataclass(frozen=True)
class Schemes:
    """Schemes for the whole network, cheapest first, and the dense network."""

    genomes: NDArray[np.bool_]
    """[s, genes]."""
    impairment: NDArray[np.float64]
    """[s]: the loss that the network is expected to gain."""
    costs: NDArray[np.float64]
    """[s, k], one column a cost objective."""

    @property
    def dense(self) -> int:
        """Row of the dense network."""
        return len(self.genomes) - 1

    def save(self, out: Workspace) -> None:
        """Store the schemes as ``schemes.npz``."""
        out.save_arrays("schemes", **vars(self))

    @classmethod
    def load(cls, artefact: Artefact) -> Schemes:
        """Read what `save` stored."""
        return cls(**artefact.arrays("schemes"))


@dataclass(frozen=True)
class MeasuredSchemes:
    """Schemes measured on validation images, cheapest first, and the dense network."""

    genomes: NDArray[np.bool_]
    """[s, genes]."""
    predicted_loss: NDArray[np.float64]
    """[s]: loss of the dense network plus the impairment that an earlier stage expected."""
    loss: NDArray[np.float64]
    """[s]."""
    accuracy: NDArray[np.float64]
    """[s]: share of right answers."""
    macs: NDArray[np.int64]
    """[s], for one image."""
    params: NDArray[np.int64]
    """[s]."""
    costs: NDArray[np.float64]
    """[s, k], one column a cost objective."""
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
        """Read what `save` stored."""
        return cls(**artefact.arrays("schemes"))


@dataclass(frozen=True)
class JoinSummary:
    """How many schemes joining gave."""

    joint_schemes: int
    """All of them, of which `Schemes` holds the spec's number."""

    def save(self, out: Workspace) -> None:
        """Store it as ``summary.json``."""
        out.save_json("summary", asdict(self))

    @classmethod
    def load(cls, artefact: Artefact) -> JoinSummary:
        """Read what `save` stored."""
        return cls(**artefact.json("summary"))


@dataclass(frozen=True)
class MeasureSummary:
    """What measuring the schemes tells of the whole search."""

    kendall_tau: float
    """Rank correlation of predicted and measured loss; 0 where all predictions are equal."""
    measured: int
    """Number of networks that have a finite loss and finite costs."""
    hypervolume: float
    """Of loss and first cost, the latter as a share of the dense network's."""
    hypervolume_reference: tuple[float, float]

    def save(self, out: Workspace) -> None:
        """Store it as ``summary.json``."""
        out.save_json("summary", asdict(self))

    @classmethod
    def load(cls, artefact: Artefact) -> MeasureSummary:
        """Read what `save` stored."""
        fields = artefact.json("summary")
        return cls(**fields | {"hypervolume_reference": tuple(fields["hypervolume_reference"])})
