"""No constraint training: the control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import ChainStep, Constraint

if TYPE_CHECKING:
    from torch import Tensor


class Unconstrained(Constraint):
    """No constraint training: sub-networks are searched as they are."""

    name: Literal["none"] = "none"
    epochs: Literal[0] = 0

    def loss(self, step: ChainStep) -> Tensor:
        raise AssertionError("a constraint of no epochs is never asked for a loss")
