"""The constraint ``none``: the control for measuring what constraint training gains."""

from __future__ import annotations

from typing import Literal

from emopms.api import Constraint


class Unconstrained(Constraint):
    """No constraint training: the search uses the sub-networks of the pretrained network.

    It is the control for measuring what constraint training gains.
    """

    name: Literal["none"] = "none"
