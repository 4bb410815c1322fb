"""Pruning without a search: it keeps the same share of channels in every group."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from emopms.errors import NetworkError
from emopms.network.channels.surgery import fit_to, pruned_state
from emopms.network.partition.importance import magnitude
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    Genomes = list[NDArray[np.bool_]]


@dataclass(frozen=True)
class Scheme:
    """Sub-networks with one genome each."""

    subnetworks: list[SubNetwork]
    genomes: Genomes

    @property
    def macs(self) -> int:
        """MACs predicted by the cost model."""
        return sum(int(sub.costs.macs(genome[None])[0]) for sub, genome in self._pairs)

    @property
    def params(self) -> int:
        """Number of parameters predicted by the cost model."""
        return sum(int(sub.costs.params(genome[None])[0]) for sub, genome in self._pairs)

    @property
    def dense(self) -> Scheme:
        return Scheme(self.subnetworks, [sub.dense for sub in self.subnetworks])

    @property
    def _pairs(self) -> list[tuple[SubNetwork, NDArray[np.bool_]]]:
        return list(zip(self.subnetworks, self.genomes, strict=True))

    def forward(self, images: Tensor) -> Tensor:
        """Run all sub-networks in order, with dropped channels removed by slicing."""
        for sub, genome in self._pairs:
            images = sub.forward(images, genome)
        return images

    def cut(self, network: nn.Module) -> nn.Module:
        """Return a copy of the network after surgery."""
        pruned = copy.deepcopy(network)
        fit_to(pruned, pruned_state(network, [(sub.channels, genome) for sub, genome in self._pairs]))
        return pruned

    def masked(self, network: nn.Module) -> nn.Module:
        """Return a copy of the unpruned network with zeros for all weights of dropped channels.

        Zero weights contribute nothing. So the outputs equal those after surgery if and only if every dropped channel
        was removed from both ends of all its connections.
        """
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        for sub, genome in self._pairs:
            for name, dims in sub.channels.dims.items():
                for dim, genes in dims.items():
                    dropped = np.flatnonzero((genes >= 0) & ~genome[genes])
                    if name in state:
                        state[name].index_fill_(dim, torch.from_numpy(dropped), 0)
        masked = copy.deepcopy(network)
        masked.load_state_dict(state)
        return masked

    def normalises_over_pruned(self, network: nn.Module) -> bool:
        """Return whether a layer other than batch norm computes statistics over channels of which some are dropped.

        These are statistics of activations, or of weights as in standardised convolutions.
        """
        cut = {name.rpartition(".")[0] for sub in self.subnetworks for name in sub.channels.dims}
        layers = (layer for path, layer in network.named_modules() if path in cut)
        return any(
            any(kind in type(layer).__name__ for kind in ("Norm", "Std"))
            and not isinstance(layer, nn.modules.batchnorm._BatchNorm)
            for layer in layers
        )


def pruned_to(
    share: float, network: nn.Module, points: Sequence[str], images: Tensor, *, prune_residual: bool
) -> Scheme:
    """Return the scheme with the largest uniform share of channels that has at most ``share`` of the dense MACs.

    Raises:
        NetworkError: Nothing can be pruned, or the MACs exceed ``share`` even with one channel per group.
    """
    subnetworks = subnetworks_of(network, points, images, prune_residual=prune_residual)
    importance = [magnitude(sub) for sub in subnetworks]
    low, high = 0.0, 1.0
    least = _uniform_scheme(low, subnetworks, importance)
    limit = share * least.dense.macs
    if least.macs > limit:
        raise NetworkError(
            f"With one channel left in each group, {least.macs / least.dense.macs:.0%} of the MACs are left.",
            remedy="Allow more to be pruned.",
        )
    for _ in range(12):
        middle = (low + high) / 2
        if _uniform_scheme(middle, subnetworks, importance).macs <= limit:
            low = middle
        else:
            high = middle
    return _uniform_scheme(low, subnetworks, importance)


def _uniform_scheme(share: float, subnetworks: list[SubNetwork], importance: Sequence[NDArray[np.float64]]) -> Scheme:
    """Keep this share of channels in every group, at least one: those with the largest weights."""
    genomes = []
    for sub, weight in zip(subnetworks, importance, strict=True):
        genome = np.zeros(sub.channels.genes, dtype=np.bool_)
        for group in sub.channels.groups:
            best = np.argsort(-weight[group.genes], kind="stable")
            genome[group.start + best[: max(1, round(share * group.size))]] = True
        genomes.append(sub.repair(genome[None], weight)[0])
    return Scheme(subnetworks, genomes)
