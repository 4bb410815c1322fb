"""The split ``even``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emopms.api import Split
from emopms.network import NO_LIMITS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.network import Limits


class Even(Split):
    """Divide the network into sub-networks with about equal MACs, at points where only one tensor is passed on."""

    name: Literal["even"] = "even"
    parts: Annotated[int, Field(ge=2, examples=[4])]
    """Number of sub-networks into which the network is divided."""
    fewer: bool = False
    """Whether the network is divided into fewer parts if it cannot be divided into so many. It may stay whole."""

    def find(
        self, network: nn.Module, example: Tensor, *, prune_residual: bool = False, limits: Limits = NO_LIMITS
    ) -> list[str]:
        from emopms.network import even_points

        return even_points(network, example, self.parts, fewer=self.fewer, prune_residual=prune_residual, limits=limits)
