"""The split ``blocks``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Split
from emopms.network import NO_LIMITS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.network import Limits


class Blocks(Split):
    """Divide the network after every residual block. A block with nothing to prune is joined with the next block."""

    name: Literal["blocks"] = "blocks"

    def find(
        self, network: nn.Module, example: Tensor, *, prune_residual: bool = False, limits: Limits = NO_LIMITS
    ) -> list[str]:
        from emopms.network import block_points

        return block_points(network, example, prune_residual=prune_residual, limits=limits)
