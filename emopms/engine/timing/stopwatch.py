"""Short timings of long work: sizes grow until the work takes long enough to go on in proportion."""

from __future__ import annotations

import resource
import sys
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from emopms.network.runtime.device import Device

_FIRST = 8
"""Size to begin with, such as the images of a batch."""
_GROWTH = 4
_ENOUGH = 0.05
"""Seconds that work has to take before its size stops growing, and all its repetitions together."""
_ROUNDS = 3
"""Repetitions at least; the fastest counts, which other processes disturbed least."""
_LIMIT = 1.0
"""Seconds after which one timing neither grows nor repeats."""


class _Trial(NamedTuple):
    size: int
    seconds: float
    memory: int


class Stopwatch:
    """Times work on a device, and watches the memory that it takes."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.peak = self._memory()
        """Bytes that the process, or on CUDA its tensors on the GPU, would hold at most with the work at full size."""

    def seconds(self, prepare: Callable[[int], Callable[[], object]], size: int) -> float:
        """Seconds that work of this size takes.

        Args:
            prepare: Makes the work of a smaller size; this is not timed.
            size: The size asked for, such as the images of a batch.
        """
        deadline = perf_counter() + _LIMIT
        tried = min(size, _FIRST)
        prepare(tried)()  # the first time pays for what is set up once
        last = self._try(prepare, tried, deadline)
        self.peak = max(self.peak, last.memory)
        if tried == size:
            return last.seconds
        while True:
            before, tried = last, min(size, tried * _GROWTH)
            last = self._try(prepare, tried, deadline)
            if tried == size or last.seconds >= _ENOUGH or perf_counter() > deadline:
                break
        # The line through the last two sizes: what a call costs whatever its size stands in both.
        steps = (size - tried) / (last.size - before.size)
        self.peak = max(self.peak, last.memory + round(steps * (last.memory - before.memory)))
        return last.seconds + steps * max(0.0, last.seconds - before.seconds)

    def once(self, work: Callable[[], object]) -> float:
        """Seconds that work takes which has no size."""
        began = perf_counter()
        work()
        self.peak = max(self.peak, self._memory())
        return perf_counter() - began

    def _try(self, prepare: Callable[[int], Callable[[], object]], size: int, deadline: float) -> _Trial:
        return _Trial(size, self._clock(prepare(size), deadline), self._memory())

    def _clock(self, work: Callable[[], object], deadline: float) -> float:
        took: list[float] = []
        self._wait()
        while not took or ((len(took) < _ROUNDS or sum(took) < _ENOUGH) and perf_counter() < deadline):
            began = perf_counter()
            work()
            self._wait()
            took.append(perf_counter() - began)
        return min(took)

    def _wait(self) -> None:
        """CUDA works on after a call has returned."""
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def _memory(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
