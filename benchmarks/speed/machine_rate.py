"""What the machine can do: the rate of plain matrix products."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

import torch

from benchmarks.speed.clock import clock_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emopms.network.device import Device

SHAPES: Final = (
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (3072, 3072, 3072),
    (512 * 32 * 32, 9 * 16, 16),
    (512 * 16 * 16, 9 * 32, 32),
    (512 * 8 * 8, 9 * 64, 64),
)
"""(m, k, n) of an [m, k] by [k, n] product: squares, and the convolutions of the three stages as products."""
_SECONDS = 0.5
"""For each shape."""


def matrix_rates(device: Device) -> dict[str, float]:
    """Operations a second, two for a multiply–accumulate, of each shape in the numbers that the device computes in."""
    dtype, now, rates = torch.bfloat16 if device.bf16 else torch.float32, clock_for(device), {}
    for m, k, n in SHAPES:
        left = torch.randn(m, k, device=device.type).to(dtype)
        right = torch.randn(k, n, device=device.type).to(dtype)
        out = torch.mm(left, right)
        shortest, deadline = float("inf"), perf_counter() + _SECONDS
        while perf_counter() < deadline:
            began = now()
            torch.mm(left, right, out=out)
            shortest = min(shortest, now() - began)
        rates[f"{m}×{k}×{n}"] = 2 * m * k * n / shortest
    return rates


def fastest(*measured: Mapping[str, float]) -> dict[str, float]:
    """The highest rate of each shape."""
    return {shape: max(rates.get(shape, 0.0) for rates in measured) for rates in measured for shape in rates}
