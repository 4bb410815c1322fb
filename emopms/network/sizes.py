"""Sizes that layers keep beside their tensors: they follow the tensors when those get smaller."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

from emopms.network.heads import follow_heads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

SIZED = (
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
def following(network: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """For a while, static sizes are those of other tensors, as long as `functional_call` swaps them in.

    Args:
        tensors: Parameters and buffers by their name in the network.
    """
    before: list[tuple[nn.Module, dict[str, Any]]] = []
    try:
        for path, layer in network.named_modules():
            if isinstance(layer, SIZED):
                own = _tensors(layer)
                shapes = {name: tensors[f"{path}.{name}"].shape for name in own if f"{path}.{name}" in tensors}
                if all(own[name].shape == shape for name, shape in shapes.items()):
                    continue
                after = sizes_of(layer, shapes)
                before.append((layer, {name: getattr(layer, name) for name in after}))
                _set(layer, after)
        yield
    finally:
        for layer, sizes in before:
            _set(layer, sizes)


def follow(layer: nn.Module) -> None:
    """Correct the static sizes of a module whose tensors, and those of the layers in it, were replaced.

    Its attributes, and theirs, must still be those of the tensors before: outer modules come first.
    """
    follow_heads(layer)
    if isinstance(layer, SIZED):
        _set(layer, sizes_of(layer, {name: tensor.shape for name, tensor in _tensors(layer).items()}))


def _tensors(layer: nn.Module) -> dict[str, Tensor]:
    return {
        name: tensor for name, tensor in (*layer._parameters.items(), *layer._buffers.items()) if tensor is not None
    }


def _set(layer: nn.Module, sizes: Mapping[str, Any]) -> None:
    for name, size in sizes.items():
        setattr(layer, name, size)
