"""The split ``at``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emopms.api import Split
from emopms.network import NO_LIMITS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.network import Limits


class At(Split):
    """Divide the network after the given modules. `split: [layer1, layer2]` is a short form in the spec."""

    name: Literal["at"] = "at"
    points: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = ()
    """Paths of the modules after which the network is divided, in the order of the forward pass. If there are none, the
    network is not divided."""

    def find(
        self, network: nn.Module, example: Tensor, *, prune_residual: bool = False, limits: Limits = NO_LIMITS
    ) -> list[str]:
        return list(self.points)
