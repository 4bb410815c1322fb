"""The constraint ``none``: the control experiment."""

from __future__ import annotations

from typing import Literal

from emopms.api import Constraint


class Unconstrained(Constraint):
    """No constraint training: the search uses the sub-networks of the pretrained network."""

    name: Literal["none"] = "none"
