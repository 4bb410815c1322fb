"""The split ``blocks``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Split

if TYPE_CHECKING:
    from torch import Tensor, nn


class Blocks(Split):
    """Cut after every residual block. A block in which nothing can be pruned is joined with the next one."""

    name: Literal["blocks"] = "blocks"

    def find(self, network: nn.Module, example: Tensor, *, prune_residual: bool = False) -> list[str]:
        from emopms.network import block_points

        return block_points(network, example, prune_residual=prune_residual)
