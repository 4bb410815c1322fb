"""The score of a network on labelled images."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Loss and accuracy of a network on labelled images."""

    loss: float
    """Mean cross-entropy of the network on the images."""
    accuracy: float
    """Share of images that the network classifies correctly, from 0 to 1."""
