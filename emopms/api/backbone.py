"""Slot ``backbone``: the network to prune."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from emopms.component import Component

if TYPE_CHECKING:
    from torch import nn


class Backbone(Component):
    """A network architecture, and where its weights come from."""

    slot: ClassVar[str] = "backbone"

    weights: Annotated[str, Field(min_length=1)] | None = None
    """Weights to start from: a safetensors file, relative to the data root. Without it, random ones."""

    @abstractmethod
    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """The network with random weights, drawn from torch's global generator.

        Args:
            input_shape: Shape [C, H, W] of one image.
            classes: Number of classes.

        Returns:
            A module that maps a batch [N, C, H, W] to class scores [N, classes], traceable by torch.fx.
        """
