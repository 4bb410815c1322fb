"""A component in a module that imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from emopms.api import Split
from emopms.network import NO_LIMITS

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.network import Limits


class Heavy(Split):
    name: Literal["heavy"] = "heavy"

    def find(
        self, network: nn.Module, example: Tensor, *, prune_residual: bool = False, limits: Limits = NO_LIMITS
    ) -> list[str]:
        return ["stage1"] if torch.is_tensor(example) else []
