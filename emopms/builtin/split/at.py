"""The split ``at``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emopms.api import Split

if TYPE_CHECKING:
    from torch import Tensor, nn


class At(Split):
    """Divide the network after the given modules. `split: [layer1, layer2]` is a short form."""

    name: Literal["at"] = "at"
    points: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = ()
    """Module paths in the order of the forward pass. With an empty list, the network is not divided."""

    def find(self, network: nn.Module, example: Tensor, *, prune_residual: bool = False) -> list[str]:
        return list(self.points)
