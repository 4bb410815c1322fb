"""What a user of the backbone ``module`` might have: functions that make networks, well and badly."""

from __future__ import annotations

from torch import nn

CALLS: list[dict[str, object]] = []
"""Arguments that `two_convolutions` was called with."""


def two_convolutions(widths: list[int], classes: int = 5) -> nn.Module:
    """For images [N, 3, H, W]."""
    CALLS.append({"widths": list(widths), "classes": classes})
    first, second = widths
    widths.clear()  # what it is given is its own
    return nn.Sequential(
        nn.Conv2d(3, first, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(second, classes),
    )


class Holder:
    """A factory need not stand at the top of its module."""

    @staticmethod
    def make() -> nn.Module:
        return _SHARED


_SHARED = two_convolutions([2, 2])


def fails() -> nn.Module:
    raise OSError("the disk is full")


def returns_a_list() -> list[nn.Module]:
    return [nn.ReLU()]


NUMBER = 3
