"""The layers of the whole network, and how many channels of them a genome keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.network.costs.cost_model import CostModel
    from emopms.network.partition.divided_network import DividedNetwork


@dataclass(frozen=True)
class Layer:
    """One layer of the dense network."""

    name: str
    """Path of the layer."""
    subnetwork: str
    """Number of the sub-network to which the layer belongs, from 1."""
    channels: int
    """Number of output channels."""


class LayerTable:
    """The layers of the whole network, in the order of the forward pass. It holds no weights.

    Args:
        divided: The divided network.
    """

    def __init__(self, divided: DividedNetwork) -> None:
        homes = {layer.name: sub.name for sub in divided.parts for layer in sub.channels.layers}
        self._costs: CostModel = divided.costs
        self.layers = [
            Layer(layer.name, homes[layer.name], layer.channels)
            for layer in self._costs.by_layer(np.concatenate([sub.dense for sub in divided.searched]))
        ]

    def widths(self, genomes: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return the number of output channels [n, layers] that each of the genomes [n, genes] keeps."""
        rows = [[layer.kept_channels for layer in self._costs.by_layer(genome)] for genome in genomes]
        return np.array(rows, dtype=np.int32)
