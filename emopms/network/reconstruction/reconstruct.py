"""Solves the weights of a pruned network anew, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from emopms.network.partition.divide import divide
from emopms.network.partition.split_points import cut_points
from emopms.network.reconstruction.least_squares import NormalEquations
from emopms.network.reconstruction.part import Part
from emopms.network.runtime.device import fp32

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.network.channels.table import Channels
    from emopms.network.partition.divided_network import DividedNetwork
    from emopms.network.reconstruction.linear_calls import LinearCall

_PLACES: Final = 32
"""Number of random positions in each image at which the outputs of a layer are compared."""


@torch.no_grad()
def reconstruct(
    pruned: nn.Module, dense: DividedNetwork, genome: NDArray[np.bool_], images: Tensor, drawn: torch.Generator
) -> None:
    """Solve the weights of a pruned network anew, so that its layers compute what they compute in the dense network.

    The layers are taken in the order of the forward pass. From the inputs that a layer has in the pruned network, its
    outputs are brought as near as possible to those of the dense network: ridge-regularised least squares changes the
    weight and the bias. He et al. 2017 (arXiv 1707.06168) solve layers in this way.

    Layers are calls of ``conv2d``, ``linear`` and ``batch_norm`` with a weight that has no other use. Batch norm keeps
    the running statistics of the dense network, because the features come near to those of the dense network. All other
    parameters stay, and so does everything before the first pruned channel.

    Args:
        pruned: The dense network after surgery by ``genome``. It is changed in place, and left in eval mode.
        dense: The dense network. It is not changed.
        genome: Boolean [genes].
        images: [N, C, H, W].
        drawn: Generator of the positions in the images, on the CPU.
    """
    points = cut_points(dense.network, dense.example)
    modules = (divide(network.eval(), points, dense.example) for network in (dense.network, pruned))
    wanted = given = images
    with fp32():
        for of_dense, of_pruned in zip(*modules, strict=True):
            before, after = Part(of_dense, wanted), Part(of_pruned, given)
            if wanted is given and _shapes(of_dense) == _shapes(of_pruned):
                wanted = given = before.outputs()
            else:
                _solve_layers(before, after, dense.channels, genome, drawn)
                wanted, given = before.outputs(), after.outputs()


def _solve_layers(
    dense: Part, pruned: Part, channels: Channels, genome: NDArray[np.bool_], drawn: torch.Generator
) -> None:
    """Solve the layers of the same part of both networks."""
    positions = dense.layers()
    for name, count in pruned.layers().items():
        if positions.get(name) == count:
            genes = channels.dims.get(name, {}).get(0)
            kept = slice(None) if genes is None else torch.from_numpy(np.append(genome, True)[genes])
            _solve(dense, pruned, name, kept, drawn)


def _solve(dense: Part, pruned: Part, name: str, kept: Tensor | slice, drawn: torch.Generator) -> None:
    """Solve one weight, and the bias that belongs to it.

    Args:
        dense, pruned: The part of both networks that the layer is in.
        name: The name of the weight.
        kept: The outputs of the dense layer that the pruned layer has too.
        drawn: Generator of the positions in the images.
    """
    parameters = pruned.parameters
    bias = parameters.get(name.removesuffix("weight") + "bias")
    equations = NormalEquations(shift=bias is not None)
    for wanted, given in zip(dense.batches(), pruned.batches(), strict=True):
        at, goal = dense.at_call(name, wanted, lambda call: _drawn(call, drawn))

        def read(call: LinearCall, at: Tensor = at, goal: Tensor = goal[:, kept]) -> tuple[Tensor, Tensor]:
            return call.input_rows(at), goal - call.output_rows(at)

        equations.add(*pruned.at_call(name, given, read))
    change, shift = equations.solve()
    if change.isfinite().all():
        parameters[name].add_(change.reshape(parameters[name].shape))
        if bias is not None:
            bias.add_(shift)


def _drawn(call: LinearCall, drawn: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return random positions [N, places] of a call, and its outputs [N · places, O] there."""
    images, device = len(call.outputs), call.outputs.device
    if call.positions <= _PLACES:
        at = torch.arange(call.positions, device=device).expand(images, -1)
    else:
        at = torch.randint(call.positions, (images, _PLACES), generator=drawn).to(device)
    return at, call.output_rows(at)


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in module.state_dict().items()}
