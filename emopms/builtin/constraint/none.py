"""The constraint ``none``, which trains nothing. Other constraints are compared with it."""

from __future__ import annotations

from typing import Literal

from emopms.api import Constraint


class Unconstrained(Constraint):
    """No constraint training: the search uses the sub-networks of the pretrained network.

    Comparing results with those of this constraint shows what constraint training gains.
    """

    name: Literal["none"] = "none"
