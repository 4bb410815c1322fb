"""The backbone ``densenet_cifar``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from emopms.api import Backbone, Width
from emopms.component import invalid

if TYPE_CHECKING:
    from torch import nn

_DEPTHS = range(7, 404, 3)


def _known_depth(depth: int) -> int:
    if depth not in _DEPTHS:
        raise invalid(
            f"there is no CIFAR DenseNet of depth {depth}.",
            f"Depths are 3n + 4, from {_DEPTHS[0]} to {_DEPTHS[-1]}; the published ones are 40 and 100.",
            kind="depth",
        )
    return depth


class DenseNetCifar(Backbone):
    """CIFAR DenseNet of depth 3n + 4, with the modules `block1`, `transition1`, `block2`, `transition2`, `block3`."""

    name: Literal["densenet_cifar"] = "densenet_cifar"
    depth: Annotated[int, AfterValidator(_known_depth), Field(examples=[40])]
    """Number of layers: 3n + 4, and at least 7. The published depths are 40 and 100."""
    growth: Width = 12
    """Number of channels that each layer adds."""

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        from emopms.builtin.nets import densenet

        return densenet.DenseNetCifar(self.depth, growth=self.growth, channels=input_shape[0], classes=classes)
