"""Chooses the memory layout of the convolution weights with which pruned sub-networks are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emopms.network.graph.nodes import shape_of
from emopms.network.layers.attributes import kernels_of

if TYPE_CHECKING:
    from torch import Tensor, fx


def kernels_2d(module: fx.GraphModule) -> dict[str, Tensor]:
    """Return the weights of a network's two-dimensional convolutions by name."""
    return {name: kernel for name, kernel in kernels_of(module).items() if kernel.dim() == 4}


@torch.no_grad()
def layout_for(module: fx.GraphModule) -> torch.memory_format:
    """Return the layout for the convolution weights of a traced network in eval mode.

    The layout is channels-last if the network runs with it. It is contiguous if the network runs with contiguous
    weights only, such as a network that flattens feature maps by ``view``.
    """
    kernels = list(kernels_2d(module).values())
    before = [kernel.data for kernel in kernels]
    if all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in before):
        return torch.channels_last
    entry = next(iter(module.graph.nodes))
    example = torch.zeros(shape_of(entry) or (), dtype=before[0].dtype, device=before[0].device)
    try:
        for kernel in kernels:
            kernel.data = kernel.data.contiguous(memory_format=torch.channels_last)
        if _runs(module, example):
            return torch.channels_last
    finally:
        for kernel, data in zip(kernels, before, strict=True):
            kernel.data = data
    return torch.contiguous_format if _runs(module, example) else torch.channels_last


def _runs(module: fx.GraphModule, example: Tensor) -> bool:
    try:
        module(example)
    except RuntimeError:
        return False
    return True
