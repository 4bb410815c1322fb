"""The split ``at``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emopms.api import Split

if TYPE_CHECKING:
    from torch import Tensor, nn


class At(Split):
    """Cut after the given modules. `split: [layer1, layer2]` is a short form of it."""

    name: Literal["at"] = "at"
    points: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = ()
    """Module paths in the order of the forward pass. An empty list keeps the network whole."""

    def find(self, network: nn.Module, example: Tensor, *, prune_residual: bool = False) -> list[str]:
        return list(self.points)
