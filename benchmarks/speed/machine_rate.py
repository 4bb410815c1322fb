"""What the machine can do: the rate of plain matrix products."""

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
"""(m, k, n) of an [m, k] by [k, n] product: squares, and the convolutions of the three stages as products."""
_SECONDS = 0.5
"""For each shape."""


def matrix_rates(device: Device) -> dict[str, dict[str, float]]:
    """Operations a second, two for a multiply–accumulate, by kind of numbers and shape; on the CPU of one thread."""
    kinds = {"bf16" if device.bf16 else "fp32": _floating}
    if device.int8:
        kinds["int8"] = _whole
    with one_thread():
        return {
            kind: {f"{m}×{k}×{n}": _rate(make, m, k, n, device) for m, k, n in SHAPES} for kind, make in kinds.items()
        }


def _floating(m: int, k: int, n: int, device: Device) -> Callable[[], Tensor]:
    dtype = torch.bfloat16 if device.bf16 else torch.float32
    left, right = (torch.randn(*shape, device=device.type).to(dtype) for shape in ((m, k), (k, n)))
    out = torch.mm(left, right)
    return lambda: torch.mm(left, right, out=out)


def _whole(m: int, k: int, n: int, device: Device) -> Callable[[], Tensor]:
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
    """The highest rate of each kind and shape."""
    best: dict[str, dict[str, float]] = {}
    for kinds in measured:
        for kind, rates in kinds.items():
            known = best.setdefault(kind, {})
            known |= {shape: max(rate, known.get(shape, 0.0)) for shape, rate in rates.items()}
    return best


@contextmanager
def one_thread() -> Iterator[None]:
    """For a while, PyTorch computes with one thread: as each candidate does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
