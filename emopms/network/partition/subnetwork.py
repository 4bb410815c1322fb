"""A sub-network: one part of a divided network, with its genome, its costs, and its forward pass for training."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from torch import nn
from torch.func import functional_call

from emopms.errors import NetworkError
from emopms.network.channels.labels import PRUNE_RESIDUAL, channels_of
from emopms.network.channels.limits import KEEP_LESS, NO_LIMITS, LimitsError
from emopms.network.channels.slicing import slice_tensors
from emopms.network.channels.table import ensure_covered
from emopms.network.costs.cost_model import CostModel
from emopms.network.graph.nodes import shape_of
from emopms.network.layers.attributes import RESIZABLE, resized_for
from emopms.network.partition.divide import SplitPointError, divide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, fx

    from emopms.network.channels.limits import Limits
    from emopms.network.channels.table import Channels


OPEN_STREAMS = f"Set {PRUNE_RESIDUAL}: it opens residual streams, the only channels here that can be pruned."
"""The advice in an error message if only channels that residual connections add could be pruned."""
CHOOSE_ANOTHER = "Choose a backbone with channels that nothing pins."
"""The advice in an error message if no channel can be pruned."""


class SubNetwork:
    """One part N_i of a network N = N_n ∘ … ∘ N_1 (EMO-PMS, arXiv 2303.16212).

    ``module`` shares its parameters with the network that it was cut from. A *genome* is a boolean vector [genes]. True
    keeps the channels of a gene, and False drops them.
    """

    def __init__(
        self, index: int, parts: int, module: fx.GraphModule, channels: Channels, *, name: str | None = None
    ) -> None:
        self.index = index
        """Index of the sub-network, counted from 0 in the order of the forward pass."""
        self.name = name or str(index + 1)
        """Name of the sub-network in files and messages."""
        self.is_last = index == parts - 1
        """Whether the sub-network gives the class scores."""
        self.module = module
        """The dense module, traced by torch.fx: features [N, …] → features [N, …]."""
        self.channels = channels
        """The table of genes, layers, and the gene of each index along each tensor dimension."""
        nodes = list(module.graph.nodes)
        self.output_shape: tuple[int, ...] = (shape_of(nodes[-1].all_input_nodes[0]) or ())[1:]
        """Shape of the sub-network's output for one input."""

    @cached_property
    def costs(self) -> CostModel:
        """The cost model: computes the MACs and parameters of the sub-network pruned by genomes."""
        return CostModel(self.channels, self.module)

    @cached_property
    def channel_dim(self) -> int:
        """The dimension of the sub-network's output [N, …] that holds the channels.

        The width of the last layer whose class is in `RESIZABLE` is compared with the sizes of the output's dimensions.
        If exactly one dimension has this size, it is the result. Otherwise the result is the dimension in which layers
        of this class have their channels.
        """
        for node in reversed(self.module.graph.nodes):
            layer = self.module.get_submodule(str(node.target)) if node.op == "call_module" else None
            if isinstance(layer, RESIZABLE) and not isinstance(layer, nn.PReLU):
                last = isinstance(layer, nn.Linear | nn.LayerNorm | nn.RMSNorm)
                width = (shape_of(node) or ())[-1 if last else 1]
                wide = [dim for dim, size in enumerate(self.output_shape, start=1) if size == width]
                return wide[0] if len(wide) == 1 else len(self.output_shape) if last else 1
        return 1

    @property
    def dense(self) -> NDArray[np.bool_]:
        """The genome that keeps all channels."""
        return np.ones(self.channels.genes, dtype=np.bool_)

    def repair(self, genomes: NDArray[np.bool_], importance: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return genomes [n, genes] in which every channel group and every layer keeps enough channels.

        Enough is one channel, or what limits demand (see `Channels.covers`). If a genome keeps too few channels of a
        group or a layer, the most important of the dropped channels are kept too.

        Args:
            genomes: Boolean [n, genes]. They are not changed.
            importance: Importance of each gene [genes]. Higher is more important.
        """
        repaired = genomes.copy()
        ensure_covered(repaired, self.channels.covers, importance)
        return repaired

    def forward(self, inputs: Tensor, genome: NDArray[np.bool_] | None = None) -> Tensor:
        """Run the sub-network without the channels that the genome drops, in the module's current mode.

        Gradients flow into the full parameters. In training mode, the running statistics of batch norms that lose no
        channel are updated by pruned passes too. Therefore call `recalibrate` when the training is over.
        """
        outputs: Tensor
        if genome is None or genome.all():
            outputs = self.module(inputs)
            return outputs
        dense = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        tensors = slice_tensors(dense, self.channels, genome)
        with resized_for(self.module, tensors):
            outputs = functional_call(self.module, tensors, (inputs,))
        return outputs


def subnetworks_of(
    network: nn.Module,
    points: Sequence[str],
    example: Tensor,
    *,
    prune_residual: bool = False,
    limits: Limits = NO_LIMITS,
) -> list[SubNetwork]:
    """Divide a network at split points, and find the prunable channels of every part.

    Args:
        network: The network. The parts share its parameters.
        points: Split points: paths of modules, in the order of the forward pass.
        example: A batch of images [N, C, H, W] that fits the network.
        prune_residual: Whether channels that residual connections inside a part add are pruned too.
        limits: What layers keep.

    Raises:
        LimitsError: The limits leave no channel that could be pruned in a network that is not divided.
        NetworkError: A part has no channel that could be pruned, or two parts share a parameter.
    """
    parts = divide(network, points, example)
    subnetworks = [
        SubNetwork(index, len(parts), part, channels_of(part, prune_residual=prune_residual, limits=limits))
        for index, part in enumerate(parts)
    ]
    owner: dict[int, int] = {}
    for sub in subnetworks:
        if not sub.channels.genes:
            message = f"Sub-network {sub.index + 1} of {len(parts)} has no channel that could be pruned."
            message += _listed(sub.channels.pinned)
            opens = not prune_residual and channels_of(sub.module, prune_residual=True, limits=limits).genes
            if not points and sub.channels.prunable:
                raise LimitsError(message, remedy=KEEP_LESS)
            if not points:
                raise NetworkError(message, remedy=OPEN_STREAMS if opens else CHOOSE_ANOTHER)
            remedy = "Move or remove this split point, so that the sub-network holds at least one whole block."
            remedy += f" Or: {KEEP_LESS}" if sub.channels.prunable else f" Or: {OPEN_STREAMS}" if opens else ""
            raise SplitPointError(min(sub.index, len(points) - 1), message, remedy=remedy)
        for name, parameter in sub.module.named_parameters():
            if owner.setdefault(id(parameter), sub.index) != sub.index:
                raise NetworkError(
                    f"Parameter {name!r} is used on both sides of a split.",
                    remedy="Choose split points that keep modules which share parameters together.",
                )
    return subnetworks


def _listed(pinned: Mapping[str, str]) -> str:
    """Return lines for a message: each reason once, with the first layer that has this reason."""
    layers: dict[str, list[str]] = {}
    for name, why in pinned.items():
        layers.setdefault(why, []).append(name)
    lines = [
        f"\n  {names[0]}{f' and {len(names) - 1} more' * (len(names) > 1)}: {why}" for why, names in layers.items()
    ]
    return "".join(lines[:_MAX_LISTED_REASONS]) + f"\n  … and {len(lines) - _MAX_LISTED_REASONS} more reasons" * (
        len(lines) > _MAX_LISTED_REASONS
    )


_MAX_LISTED_REASONS = 5
"""Largest number of reasons why layers are not pruned that an error message lists."""
