"""A divided network: its sub-networks, and the search of the channels that pass from one sub-network to the next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from emopms.documented import documented
from emopms.errors import NetworkError
from emopms.network.channels.labels import channels_of
from emopms.network.channels.limits import KEEP_LESS, NO_LIMITS
from emopms.network.channels.table import joined
from emopms.network.costs.cost_model import CostModel
from emopms.network.partition.divide import crossing, divide
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from emopms.network.channels.limits import Limits
    from emopms.network.channels.table import Channels


class NoBoundaryError(NetworkError):
    """Channels that pass from one sub-network to the next are to be pruned, but none of them can be pruned."""


@documented
@dataclass(frozen=True)
class DividedNetwork:
    """A network N = N_n ∘ … ∘ N_1 whose parts are searched one by one (EMO-PMS, arXiv 2303.16212)."""

    network: nn.Module
    """The dense network. The sub-networks share its parameters."""
    parts: list[SubNetwork]
    """The sub-networks N_1 … N_n, in the order of the forward pass."""
    example: Tensor
    """Example images [N, C, H, W]. They are run to find the shapes of features."""
    boundaries: SubNetwork | None = None
    """The whole network as a sub-network whose genes are the channels that pass from one part to the next. None if
    these channels are not searched."""

    @property
    def searched(self) -> list[SubNetwork]:
        """The sub-networks that are searched: the parts, and then ``boundaries`` if it is not None."""
        return [*self.parts, *([self.boundaries] if self.boundaries else [])]

    @cached_property
    def channels(self) -> Channels:
        """The channel table of the whole network. Its genome is the concatenation of the genomes of ``searched``."""
        return joined([sub.channels for sub in self.searched])

    @cached_property
    def costs(self) -> CostModel:
        """The cost model of the whole network."""
        return CostModel(self.channels, self.network)

    @cached_property
    def whole(self) -> SubNetwork:
        """The undivided network as one sub-network that has all genes."""
        module = self.boundaries.module if self.boundaries else divide(self.network, [], self.example)[0]
        return SubNetwork(0, 1, module, self.channels)


def divide_network(
    network: nn.Module,
    points: Sequence[str],
    example: Tensor,
    *,
    prune_residual: bool = False,
    prune_boundaries: bool = False,
    limits: Limits = NO_LIMITS,
) -> DividedNetwork:
    """Divide a network at split points, and find its prunable channels.

    Args:
        network: The network. The parts share its parameters.
        points: Split points: paths of modules, in the order of the forward pass.
        example: A batch of images [N, C, H, W] that fits the network.
        prune_residual: Whether channels that residual connections inside the parts add are pruned too.
        prune_boundaries: Whether the channels that pass from one part to the next are pruned too, in a search of their
            own.
        limits: What layers keep.

    Raises:
        LimitsError: A pattern of the limits matches no layer that can be pruned, or the limits leave nothing to prune.
        SplitPointError: A split point does not exist, is out of order, or leaves no prunable channel in a part.
        NoBoundaryError: ``prune_boundaries`` is set, but none of these channels can be pruned.
        NetworkError: The network cannot be divided.
    """
    parts = subnetworks_of(network, points, example, prune_residual=prune_residual, limits=limits)
    boundaries = _boundaries(network, points, example, limits) if prune_boundaries else None
    divided = DividedNetwork(network, parts, example, boundaries)
    limits.require_matches({layer for sub in divided.searched for layer in sub.channels.prunable})
    return divided


def _boundaries(network: nn.Module, points: Sequence[str], example: Tensor, limits: Limits) -> SubNetwork:
    """Return the whole network as a sub-network whose genes are the channels that pass from one part to the next.

    Raises:
        NoBoundaryError: None of these channels can be pruned.
    """
    if not points:
        raise NoBoundaryError(
            "there are no boundaries to prune: the network has no split points",
            remedy="Name split points, or leave `prune_boundaries` out.",
        )
    whole, crossed = crossing(network, points, example)
    channels = channels_of(whole, prune_residual=True, limits=limits, only=crossed)
    if not channels.genes:
        reasons = "; ".join(dict.fromkeys(channels.pinned.values()))
        raise NoBoundaryError(
            f"nothing that crosses the splits can be pruned: {reasons}",
            remedy="Choose other split points, or leave `prune_boundaries` out."
            + (f" Or: {KEEP_LESS}" if channels.prunable else ""),
        )
    return SubNetwork(len(points) + 1, len(points) + 2, whole, channels, name="boundaries")
