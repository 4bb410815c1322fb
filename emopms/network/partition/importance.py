"""Estimates the importance of channels without pruning them. The search starts from these estimates."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from emopms.network.graph.trace import with_source
from emopms.network.layers.shared_tensors import names_by_tensor
from emopms.network.runtime.device import Device
from emopms.network.runtime.parallel import parallel_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network.partition.subnetwork import SubNetwork

IMAGES_PER_DIRECTION = 4
"""Number of images in one backward pass of `sensitivity`, which projects their outputs on one random direction."""
DIRECTIONS = 128
"""Number of random directions on which `sensitivity` projects outputs, one in each backward pass. The relative standard
deviation of an estimate is about √(2 / 128). The differences between channels are larger."""


def magnitude(subnetwork: SubNetwork) -> NDArray[np.float64]:
    """Return the group L1 importance of each gene [genes].

    A channel owns the rows of weights that compute it, and the columns of weights that read it. The importance is the
    sum of the L1 norms of these rows and columns, over all convolution and linear layers. Each norm is divided by the
    mean norm in its weight tensor, so that large weight tensors do not outweigh small ones.
    """
    channels = subnetwork.channels
    parameters = dict(subnetwork.module.named_parameters(remove_duplicate=False))
    total = np.zeros(channels.genes)
    distinct = {id(parameters[layer.weight]): layer.weight for layer in reversed(channels.layers)}
    for name in reversed(distinct.values()):
        weight = parameters[name].detach().abs().float()
        for dim, genes in channels.dims.get(name, {}).items():
            norms = _by_index(weight, dim)
            free = genes >= 0
            np.add.at(total, genes[free], norms[free] / max(norms.mean(), 1e-12))
    return total


def sensitivity(subnetwork: SubNetwork, inputs: Tensor, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the sensitivity of the sub-network's outputs to each gene [genes].

    A gate s multiplies the values of a gene's channels. It is 1 in the dense network. The sensitivity says how strongly
    the outputs change when s changes a little. For features f, it is ‖∂f/∂s‖², summed over images. For the class scores
    of the last sub-network, it is the Fisher information of s. This is the curvature of the Kullback–Leibler divergence
    from the dense network.

    Both values are estimated with independent random directions v. Because E ⟨v, ∂f/∂s⟩² = ‖∂f/∂s‖², one backward pass
    per direction gives an estimate for all genes. For features, v is normally distributed. For class scores, v is the
    gradient of the log-likelihood of classes that are drawn from the network's own predictions. The derivative with
    respect to a gate is the inner product of the weights that read the gene's channels with the gradients of these
    weights.

    Args:
        subnetwork: The sub-network.
        inputs: Features that enter the sub-network [N, …]. Only the first 512 are used.
        rng: Generator that draws the seeds of the directions.
    """
    with torch.inference_mode(mode=False):
        module = with_source(copy.deepcopy(subnetwork.module)).eval().requires_grad_(False)
    parameters, gates = dict(module.named_parameters()), _gates(subnetwork)
    weights = {name: parameters[name].requires_grad_() for name in gates}
    like = next(iter(parameters.values()))

    def effects(given: tuple[Tensor, int]) -> NDArray[np.float64]:
        piece, seed = given
        drawn = torch.Generator(like.device).manual_seed(seed)
        with torch.inference_mode(mode=False), torch.enable_grad():
            outputs = module(piece.clone())
            direction = _score(outputs, drawn) if subnetwork.is_last else _normal(outputs, drawn)
            gradients = torch.autograd.grad(outputs, list(weights.values()), direction, allow_unused=True)
        slopes = np.zeros(subnetwork.channels.genes)
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            if gradient is not None:
                for dim, genes in gates[name].items():
                    own = _by_index(weight.detach() * gradient, dim)
                    np.add.at(slopes, genes[genes >= 0], own[genes >= 0])
        squares: NDArray[np.float64] = slopes**2
        return squares

    pieces = torch.split(inputs[: IMAGES_PER_DIRECTION * DIRECTIONS].to(like), IMAGES_PER_DIRECTION)
    seeds = rng.integers(2**63, size=len(pieces)).tolist()
    fp32 = Device(like.device.type)
    found: NDArray[np.float64] = np.sum(parallel_map(effects, list(zip(pieces, seeds, strict=True)), fp32), axis=0)
    return found


def _gates(subnetwork: SubNetwork) -> Mapping[str, Mapping[int, NDArray[np.int64]]]:
    """Return, for each weight and each of its dimensions, the gene of each index, or -1 if no gene is listed there.

    A gene is listed at the weights that read its channels. If no weight reads them, the gene is listed at the weights
    that compute its channels. A weight that several layers share is listed once, because its gradient is already the
    sum over these layers.
    """
    shared = names_by_tensor(subnetwork.module.named_parameters(remove_duplicate=False)).values()
    first = {name: names[0] for names in shared for name in names}
    dims = [
        (first[layer.weight], dim, genes, dim == _input_dim(subnetwork, layer.name))
        for layer in subnetwork.channels.layers
        for dim, genes in subnetwork.channels.dims.get(layer.weight, {}).items()
    ]
    entering = [gene for _, _, genes, is_input in dims if is_input for gene in genes.tolist()]
    found: dict[str, dict[int, NDArray[np.int64]]] = {}
    for weight, dim, genes, is_input in dims:
        own = genes if is_input else np.where(np.isin(genes, entering), -1, genes)
        if (own >= 0).any():
            found.setdefault(weight, {})[dim] = own
    return found


def _input_dim(subnetwork: SubNetwork, layer: str) -> int:
    transposed = isinstance(subnetwork.module.get_submodule(layer), nn.modules.conv._ConvTransposeNd)
    return 0 if transposed else 1


def _by_index(tensor: Tensor, dim: int) -> NDArray[np.float64]:
    """Return the sums of a tensor over all dimensions except ``dim`` [size of dim]."""
    sums = tensor.sum(dim=[d for d in range(tensor.dim()) if d != dim])
    return sums.cpu().numpy().astype(np.float64)


def _normal(outputs: Tensor, drawn: torch.Generator) -> Tensor:
    return torch.randn(outputs.shape, generator=drawn, device=outputs.device, dtype=outputs.dtype)


def _score(scores: Tensor, drawn: torch.Generator) -> Tensor:
    """Return the gradient of the log-likelihood of classes drawn from the network's own predictions [N, …, classes]."""
    shares = scores.detach().softmax(dim=-1)
    classes = torch.multinomial(shares.flatten(0, -2), 1, generator=drawn).view(*shares.shape[:-1], 1)
    return shares.scatter_add(-1, classes, torch.full_like(classes, -1, dtype=shares.dtype))
