"""A count of multiply–accumulates that shares nothing with emopms: PyTorch's own, taken where operators are dispatched.

emopms counts the products of convolution and linear *layers*, so PyTorch's counts are sorted by the module that spends
them: what such a layer itself spends is one thing; a convolution or a product with a matrix (``mm``, ``addmm``) that
another module calls as a function is another; the rest are products of two activations (``bmm``, in which
`torch.einsum` ends, too, and attention kernels).
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
    """Of convolution and linear layers."""
    functions: Mapping[str, int]
    """Of convolutions and linear maps that other modules call as functions, by the kind of module."""
    products: Mapping[str, int]
    """Of products of activations with each other, by operator; of fused attention PyTorch knows no count on the CPU."""


def counted(network: nn.Module, images: Tensor) -> Counted:
    """Run the network on the first image of a batch [N, C, H, W] and count."""
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
    """What each module spends itself: PyTorch adds a module's counts to all that it is in."""
    own = {name: Counter(operations) for name, operations in counts.items() if name != "Global"}
    for name, operations in counts.items():
        parent = name
        while "." in parent:
            parent = parent.rpartition(".")[0]
            if parent in own:
                own[parent].subtract(operations)
                break
    return own
