"""The component ``new_split`` of the slot ``split``: it chooses split points."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Literal

from emopms.api import Split
from emopms.network import NO_LIMITS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.network import Limits


class NewSplit(Split):
    """Cut after every top-level module whose name matches a pattern, except the last match."""

    name: Literal["new_split"] = "new_split"
    pattern: str = "stage*"
    """Pattern of module names, written as for file names: `*` matches any text."""

    def find(
        self, network: nn.Module, example: Tensor, *, prune_residual: bool = False, limits: Limits = NO_LIMITS
    ) -> list[str]:
        return [name for name, _ in network.named_children() if fnmatch(name, self.pattern)][:-1]
