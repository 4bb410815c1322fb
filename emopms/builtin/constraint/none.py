"""No constraint training: the control."""

from __future__ import annotations

from typing import Literal

from emopms.api import Constraint


class Unconstrained(Constraint):
    """No constraint training: sub-networks are searched as they are."""

    name: Literal["none"] = "none"
