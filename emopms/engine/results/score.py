"""The score of a network on labelled images."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Loss and accuracy of a network."""

    loss: float
    """Mean cross-entropy."""
    accuracy: float
    """Share of correct answers, from 0 to 1."""
