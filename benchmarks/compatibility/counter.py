"""Counts MACs with PyTorch's own counter, which is independent of emopms and works where operators are dispatched.

emopms counts the MACs of convolution and linear *layers* only. PyTorch's counts are divided into three kinds: MACs of
such layers; MACs of convolutions and matrix products (``mm``, ``addmm``) that other modules call as functions; and
products of two activations (``bmm``, which `torch.einsum` also calls, and attention kernels).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

aten: Any = torch.ops.aten
_WITH_WEIGHTS = {aten.convolution, aten._convolution, aten.mkldnn_convolution, aten.mm, aten.addmm}
_LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


@dataclass(frozen=True)
class Counted:
    """MACs for one image."""

    layers: int
    """MACs of convolution and linear layers."""
    functions: Mapping[str, int]
    """MACs of convolutions and linear maps that other modules call as functions, by class of the module."""
    products: Mapping[str, int]
    """MACs of products of two activations, by operator. PyTorch does not count fused attention on the CPU."""


def counted(network: nn.Module, images: Tensor) -> Counted:
    """Count the MACs of the network for the first image of a batch [N, C, H, W]."""
    with FlopCounterMode(display=False) as mode, torch.enable_grad():  # PyTorch tracks modules by hooks on gradients
        network(images[:1])
    layers, functions, products = 0, Counter[str](), Counter[str]()
    modules = {f"{type(network).__name__}.{path}".rstrip("."): module for path, module in network.named_modules()}
    for name, operations in _own(mode.get_flop_counts()).items():
        for operator, flops in operations.items():
            macs = flops // 2
            if isinstance(modules.get(name), _LAYERS):
                layers += macs
            elif operator in _WITH_WEIGHTS:
                functions[type(modules[name]).__name__] += macs
            else:
                products[operator.__name__] += macs
    return Counted(layers, dict(+functions), dict(+products))


def _own(counts: Mapping[str, Mapping[Any, int]]) -> dict[str, Counter[Any]]:
    """Return each module's own counts. PyTorch adds a module's counts to all modules that contain it."""
    own = {name: Counter(operations) for name, operations in counts.items() if name != "Global"}
    for name, operations in counts.items():
        parent = name
        while "." in parent:
            parent = parent.rpartition(".")[0]
            if parent in own:
                own[parent].subtract(operations)
                break
    return own
