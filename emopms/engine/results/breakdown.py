"""Where a pruned network was cut, and where it lost: by sub-network and by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class SubnetworkShare:
    """What one search contributed to a pruned network."""

    name: str
    """Number of the sub-network, from 1, or ``boundaries`` for the channels that cross split points."""
    channels: int
    """Number of prunable channels of the sub-network."""
    kept_channels: int
    """Number of these channels that the pruned network keeps."""
    saved_macs: int
    """Multiply-accumulates for one image that are saved if only this sub-network is pruned as in the network."""
    impairment: float
    """Increase in the loss on ranking images if only this sub-network is pruned as in the network. Batch norm is
    re-estimated."""
    accuracy_lost: float
    """Decrease in the share of correct answers on ranking images in the same case; negative if it rises."""


@dataclass(frozen=True, kw_only=True)
class LayerShare:
    """One layer of a pruned network."""

    name: str
    """Path of the layer."""
    subnetwork: str
    """Number of the sub-network to which the layer belongs, from 1."""
    channels: int
    """Number of output channels of the dense layer."""
    kept_channels: int
    """Number of output channels of the pruned layer."""
    macs: int
    """Multiply-accumulates of the dense layer for one image."""
    kept_macs: int
    """Multiply-accumulates of the pruned layer for one image."""
    impairment: float | None
    """Increase in the loss on ranking images if only the channels of this layer are pruned, as in the network. None if
    the layer has no prunable channels, or if they are those of an earlier layer in the table."""


@dataclass(frozen=True)
class Breakdown:
    """Where a pruned network was cut, and what each cut costs alone, before any fine-tuning."""

    subnetworks: Sequence[SubnetworkShare]
    layers: Sequence[LayerShare]

    def save(self, out: Workspace) -> None:
        """Store the tables as ``breakdown.json``."""
        out.save_json("breakdown", asdict(self))

    @classmethod
    def load(cls, artefact: Artefact) -> Breakdown:
        """Load the tables that `save` stored."""
        tables = artefact.json("breakdown")
        return cls(
            [SubnetworkShare(**row) for row in tables["subnetworks"]], [LayerShare(**row) for row in tables["layers"]]
        )
