"""Parts of sentences in the log."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 generation`` or ``1,200 candidates``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def compared(share: float, other: float, what: str) -> str:
    """Compare two shares in percentage points, such as ``0.17 points above the pretrained network``.

    Args:
        share: A share, such as an accuracy.
        other: The share with which it is compared.
        what: What has the share ``other``.
    """
    points = f"{100 * abs(share - other):.2f}"
    if float(points) == 0:
        return f"the same as {what}"
    return f"{points} points {'above' if share > other else 'below'} {what}"
