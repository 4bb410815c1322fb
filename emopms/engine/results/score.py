"""What is measured of a network on labelled images."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy and share of right answers."""

    loss: float
    accuracy: float
