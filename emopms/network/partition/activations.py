"""Computes the feature maps of prunable channels, and the derivatives of the loss with respect to gates.

A gate is a factor, equal to 1, by which the feature maps of a gene's channels are multiplied.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx, nn

from emopms.network.partition.filters import filters_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network.partition.subnetwork import SubNetwork

_BATCH = 64
"""Images per forward pass. The number is small because all feature maps of a batch are in memory."""
_FOLLOWING: Final = (
    *(nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.SiLU, nn.GELU),
    *(nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.ELU, nn.Mish, nn.Dropout, nn.Identity),
)
_FUNCTIONS: Final = frozenset((F.relu, torch.relu, torch.relu_, F.relu6, F.silu, F.gelu, F.hardswish, F.leaky_relu))
_METHODS: Final = frozenset(("relu", "relu_"))


def feature_maps(subnetwork: SubNetwork, images: Tensor) -> Iterator[dict[str, Tensor]]:
    """Yield, for each batch of images, the feature maps of the layers that `filters_of` names.

    They are taken after the normalisations and activations that follow the layer.

    Args:
        subnetwork: The whole network. It is not changed.
        images: Normalised images [N, C, H, W], as in `Task.inputs` of a baseline.

    Yields:
        For n images in stored order: the feature maps [n, channels, …] by the path of their layer (`Filters.layer`),
        on the device of the network. In a convolution, … is the height and width in positions.
    """
    recorder = _Recorder(subnetwork)
    for batch in torch.split(images, _BATCH):
        with torch.inference_mode(mode=False), torch.no_grad():
            recorder.run(batch.to(recorder.device).clone())
        yield recorder.maps


def gate_gradients(subnetwork: SubNetwork, images: Tensor, labels: Tensor) -> NDArray[np.float64]:
    """Return the derivatives of each image's cross-entropy with respect to the gates of all genes [N, genes].

    A gate is a factor that multiplies the feature maps of a gene's channels. It is 1 in the dense network. The
    derivative is the inner product of the feature maps with their gradients, as in Molchanov et al. 2019 (arXiv
    1906.10771).

    Args:
        subnetwork: The whole network. It is not changed.
        images: [N, C, H, W].
        labels: Class numbers [N].
    """
    recorder, found = _Recorder(subnetwork), []
    filters = filters_of(subnetwork)
    for batch, classes in zip(torch.split(images, _BATCH), torch.split(labels, _BATCH), strict=True):
        with torch.inference_mode(mode=False), torch.enable_grad():
            scores = recorder.run(batch.to(recorder.device).clone().requires_grad_())
            loss = F.cross_entropy(scores.float(), classes.to(recorder.device).clone(), reduction="sum")
            maps = [recorder.maps[each.layer] for each in filters]
            gradients = torch.autograd.grad(loss, maps, allow_unused=True)
        slopes = np.zeros((len(batch), subnetwork.channels.genes))
        for each, features, gradient in zip(filters, maps, gradients, strict=True):
            if gradient is not None:
                own = (features.detach() * gradient).flatten(2).sum(dim=2).cpu().numpy()
                free = each.genes >= 0
                np.add.at(slopes.T, each.genes[free], own.T[free])
        found.append(slopes)
    return np.concatenate(found)


class _Recorder(fx.Interpreter):
    """Runs a copy of a network, and keeps the feature maps of the layers that have prunable output channels."""

    def __init__(self, subnetwork: SubNetwork) -> None:
        with torch.inference_mode(mode=False):
            module = copy.deepcopy(subnetwork.module).eval().requires_grad_(False)
        super().__init__(module, garbage_collect_values=True)
        self.device = next(module.parameters()).device
        layers = {each.layer for each in filters_of(subnetwork)}
        self._last = {
            _end_of(node, module): (str(node.target), isinstance(module.get_submodule(str(node.target)), nn.Linear))
            for node in module.graph.nodes
            if node.op == "call_module" and str(node.target) in layers
        }
        self.maps: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n in self._last:
            layer, linear = self._last[n]
            if linear and value.dim() > 2:
                value = value.clone()
                self.maps[layer] = value.movedim(-1, 1)
                return self.maps[layer].movedim(1, -1)  # so that gradients pass through what is recorded
            self.maps[layer] = value if value.dim() > 2 else value[:, :, None]
            return value if value.dim() > 2 else self.maps[layer][:, :, 0]
        return value


def _end_of(node: fx.Node, module: nn.Module) -> fx.Node:
    """Return the last node in the chain of normalisations and activations that follow a layer.

    In the chain, only the next node uses the value of a node. If the chain is empty, return the node of the layer.
    """
    while len(node.users) == 1:
        (user,) = node.users
        follows = (
            (user.op == "call_module" and isinstance(module.get_submodule(str(user.target)), _FOLLOWING))
            or (user.op == "call_function" and user.target in _FUNCTIONS)
            or (user.op == "call_method" and user.target in _METHODS)
        )
        if not follows:
            break
        node = user
    return node
