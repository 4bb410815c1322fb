"""Sizes that layers keep beside their tensors: they follow the tensors when those get smaller."""

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
"""Layers, with all that derive from them, whose static sizes follow."""


def sizes_of(layer: nn.Module, shapes: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """The attributes of a layer that has its present attributes, but tensors of these shapes.

    A depthwise convolution keeps one group a channel, a group norm with one group a channel likewise; other groups
    stay as many as they are and get narrower.

    Args:
        shapes: Shapes of the layer's own parameters and buffers by name.
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
    """For a while, static sizes are those of other tensors, as long as `functional_call` swaps them in.

    Args:
        tensors: Parameters and buffers by their name in the network; those that layers share, by one of their names.
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
    """Correct the static sizes of a network's modules whose tensors were replaced.

    Its modules' attributes must still be those of the tensors before. All sizes are told before any is set: modules
    that share a layer tell theirs by what that layer was.
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
