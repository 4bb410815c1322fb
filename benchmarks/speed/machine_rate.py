"""Measures the machine's peak arithmetic rate with matrix products."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Final

import torch

from benchmarks.speed.clock import clock_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

    from emopms.network.runtime.device import Device

SHAPES: Final = (
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (3072, 3072, 3072),
    (512 * 32 * 32, 9 * 16, 16),
    (512 * 16 * 16, 9 * 32, 32),
    (512 * 8 * 8, 9 * 64, 64),
)
"""(m, k, n) of a product of [m, k] and [k, n]: square matrices, and the convolutions of the three stages."""
_SECONDS = 0.5
"""Seconds per shape."""


def matrix_rates(device: Device) -> dict[str, dict[str, float]]:
    """Return the rates in FLOP/s (two per MAC) by number format and shape. On the CPU, one thread is used."""
    kinds = {"bf16" if device.bf16 else "fp32": _float_product}
    if device.int8:
        kinds["int8"] = _integer_product
    with one_thread():
        return {
            kind: {f"{m}×{k}×{n}": _rate(make, m, k, n, device) for m, k, n in SHAPES} for kind, make in kinds.items()
        }


def _float_product(m: int, k: int, n: int, device: Device) -> Callable[[], Tensor]:
    dtype = torch.bfloat16 if device.bf16 else torch.float32
    left, right = (torch.randn(*shape, device=device.type).to(dtype) for shape in ((m, k), (k, n)))
    out = torch.mm(left, right)
    return lambda: torch.mm(left, right, out=out)


def _integer_product(m: int, k: int, n: int, device: Device) -> Callable[[], Tensor]:
    left, right = (torch.randint(-127, 127, shape, dtype=torch.int8) for shape in ((m, k), (k, n)))
    return lambda: torch._int_mm(left, right)


def _rate(make: Callable[..., Callable[[], Tensor]], m: int, k: int, n: int, device: Device) -> float:
    multiply, now = make(m, k, n, device), clock_for(device)
    multiply()
    shortest, deadline = float("inf"), perf_counter() + _SECONDS
    while perf_counter() < deadline:
        began = now()
        multiply()
        shortest = min(shortest, now() - began)
    return 2 * m * k * n / shortest


def fastest(*measured: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the highest rate of each number format and shape."""
    best: dict[str, dict[str, float]] = {}
    for kinds in measured:
        for kind, rates in kinds.items():
            known = best.setdefault(kind, {})
            known |= {shape: max(rate, known.get(shape, 0.0)) for shape, rate in rates.items()}
    return best


@contextmanager
def one_thread() -> Iterator[None]:
    """Context in which PyTorch uses one thread, as in the evaluation of each candidate."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
