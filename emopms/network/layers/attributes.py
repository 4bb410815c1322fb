"""Sizes that layers store as attributes, such as ``out_channels``. They must change when the tensors get smaller."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from torch import nn

from emopms.network.layers.head_counts import heads_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

RESIZABLE = (
    nn.modules.conv._ConvNd,
    nn.Linear,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.PReLU,
)
"""Classes of layers whose size attributes are known, together with their subclasses: convolutions and linear layers,
and layers that change each value by itself, as normalisation does."""


def kernels_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the kernels of a network's convolutions by name.

    If a kernel is computed by a parametrization, the tensors that it is computed from are not included.
    """
    layers = {path: layer for path, layer in network.named_modules() if isinstance(layer, nn.modules.conv._ConvNd)}
    return {
        name: tensor
        for path, layer in layers.items()
        for name, tensor in (*layer.named_parameters(prefix=path), *layer.named_buffers(prefix=path))
        if tensor.dim() > 3
    }


def sizes_of(layer: nn.Module, shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Return the size attributes that a layer needs for tensors of these shapes.

    A depthwise convolution, or a group norm with one group per channel, keeps one group per channel. In other layers
    the number of groups stays the same, and each group gets fewer channels.

    Args:
        layer: A layer whose attributes fit its current tensors.
        shapes: New shapes of the layer's own parameters and buffers by name.
    """
    sized = shapes.get("weight", shapes.get("running_mean"))
    if sized is None:
        return {}
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        return {"in_channels": sized[0], "out_channels": sized[1] * layer.groups}
    if isinstance(layer, nn.modules.conv._ConvNd):
        depthwise = layer.groups == layer.in_channels > 1
        groups = sized[0] * layer.groups // layer.out_channels if depthwise else layer.groups
        return {"out_channels": sized[0], "in_channels": sized[1] * groups, "groups": groups}
    if isinstance(layer, nn.Linear):
        return {"out_features": sized[0], "in_features": sized[1]}
    if isinstance(layer, nn.modules.batchnorm._NormBase):
        return {"num_features": sized[0]}
    if isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        return {"normalized_shape": tuple(sized)}
    if isinstance(layer, nn.GroupNorm):
        groups = sized[0] if layer.num_groups == layer.num_channels else layer.num_groups
        return {"num_channels": sized[0], "num_groups": groups}
    return {"num_parameters": sized[0]} if isinstance(layer, nn.PReLU) else {}


@contextmanager
def resized_for(network: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Within the context, set the size attributes of a network's layers to the sizes of other tensors.

    Within the context, `torch.func.functional_call` can run the network with these tensors.

    Args:
        network: The network.
        tensors: Parameters and buffers by their name in the network. A shared tensor is listed by one of its names.
    """
    named = chain(network.named_parameters(remove_duplicate=False), network.named_buffers(remove_duplicate=False))
    swapped = {id(tensor): tensors[name] for name, tensor in named if name in tensors}
    before: list[tuple[nn.Module, dict[str, Any]]] = []
    try:
        for layer in network.modules():
            if isinstance(layer, RESIZABLE):
                own = _tensors(layer)
                shapes = {name: swapped[id(tensor)].shape for name, tensor in own.items() if id(tensor) in swapped}
                if all(own[name].shape == shape for name, shape in shapes.items()):
                    continue
                after = sizes_of(layer, shapes)
                before.append((layer, {name: getattr(layer, name) for name in after}))
                _set(layer, after)
        yield
    finally:
        for layer, sizes in before:
            _set(layer, sizes)


def sync_sizes(network: nn.Module) -> None:
    """Correct the size attributes of a network's modules after their tensors were replaced.

    Before the call, the attributes must still hold the sizes of the earlier tensors. All new sizes are computed before
    any attribute is set, because several modules may compute their sizes from the old attributes of one shared layer.
    """
    after = [(module, heads_of(module) | _own_sizes(module)) for module in network.modules()]
    for module, sizes in after:
        _set(module, sizes)


def _own_sizes(module: nn.Module) -> dict[str, Any]:
    if not isinstance(module, RESIZABLE):
        return {}
    return sizes_of(module, {name: tensor.shape for name, tensor in _tensors(module).items()})


def _tensors(layer: nn.Module) -> dict[str, Tensor]:
    return {
        name: tensor for name, tensor in (*layer._parameters.items(), *layer._buffers.items()) if tensor is not None
    }


def _set(layer: nn.Module, sizes: Mapping[str, Any]) -> None:
    for name, size in sizes.items():
        setattr(layer, name, size)
