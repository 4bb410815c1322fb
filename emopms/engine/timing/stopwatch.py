"""Estimates the seconds of long work from timings of smaller sizes, and compares the seconds of several functions."""

from __future__ import annotations

import resource
import statistics
import sys
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emopms.network.runtime.device import Device


@dataclass(frozen=True, kw_only=True)
class TimingEffort:
    """How long a piece of work is timed to estimate its seconds, and for which sizes, such as numbers of images in a
    batch."""

    first_size: int = 8
    """Size of the work that is timed first, such as the number of images in a batch."""
    growth: int = 4
    """Factor by which the size of the work, such as the number of images in a batch, is increased before it is timed
    again."""
    min_seconds: float = 0.05
    """Minimum seconds of a timing. The size of the work grows until one repetition takes these seconds, and the work is
    repeated until all repetitions together take these seconds."""
    min_repetitions: int = 3
    """Minimum number of repetitions of the work in a timing."""
    max_seconds: float = 1.0
    """Seconds after which a timing stops: the size of the work no longer grows, and the work is not repeated."""


DEFAULT_EFFORT: Final = TimingEffort()


class _Trial(NamedTuple):
    size: int
    seconds: float
    memory: int


class Stopwatch:
    """Times work on a device, and records the memory that the work takes.

    Args:
        device: The device.
        effort: The time that is spent on each timing.
    """

    def __init__(self, device: Device, effort: TimingEffort = DEFAULT_EFFORT) -> None:
        self._device, self._effort = device, effort
        self.peak = self._memory()
        """Estimated maximum memory, in bytes, of the process or, on CUDA, of its tensors on the GPU, if the timed work
        had the size for which its seconds are estimated."""

    def seconds(self, prepare: Callable[[int], Callable[[], object]], size: int) -> float:
        """Return the estimated seconds of work of a given size, such as a batch of 512 images.

        Args:
            prepare: Makes the work of a given size. It is also called with smaller sizes, which are timed for the
                estimate. The time to make the work does not count.
            size: The size for which the seconds are estimated, such as the number of images in a batch.
        """
        effort = self._effort
        deadline = perf_counter() + effort.max_seconds
        tried = min(size, effort.first_size)
        prepare(tried)()  # the first call also sets up caches, so it is not timed
        last = self._try(prepare, tried, deadline)
        self.peak = max(self.peak, last.memory)
        if tried == size:
            return last.seconds
        while True:
            before, tried = last, min(size, tried * effort.growth)
            last = self._try(prepare, tried, deadline)
            if tried == size or last.seconds >= effort.min_seconds or perf_counter() > deadline:
                break
        # Extrapolate linearly: the constant cost of a call is part of both trials.
        steps = (size - tried) / (last.size - before.size)
        self.peak = max(self.peak, last.memory + round(steps * (last.memory - before.memory)))
        return last.seconds + steps * max(0.0, last.seconds - before.seconds)

    def once(self, work: Callable[[], object]) -> float:
        """Call a function once, and return the seconds that the call took."""
        began = perf_counter()
        work()
        self.peak = max(self.peak, self._memory())
        return perf_counter() - began

    def by_turns(self, works: Sequence[Callable[[], object]]) -> list[float]:
        """Return the median seconds of a call of each function.

        In each round, every function is called once, so that a slow period of the machine affects all of them. The
        first round is not timed, because it also sets up caches.
        """
        deadline = perf_counter() + self._effort.max_seconds
        for work in works:
            work()
        return [statistics.median(took) for took in zip(*self._rounds(works, deadline), strict=True)]

    def _try(self, prepare: Callable[[int], Callable[[], object]], size: int, deadline: float) -> _Trial:
        return _Trial(size, self._clock(prepare(size), deadline), self._memory())

    def _clock(self, work: Callable[[], object], deadline: float) -> float:
        """Repeat a piece of work, and return the seconds of the fastest repetition, which other processes disturbed
        least."""
        return min(seconds for (seconds,) in self._rounds([work], deadline))

    def _rounds(self, works: Sequence[Callable[[], object]], deadline: float) -> list[list[float]]:
        """Call all functions in turns, round by round, and return the seconds of each call in each round."""
        effort, rounds, total = self._effort, list[list[float]](), 0.0
        self._wait()
        while not rounds or (
            (len(rounds) < effort.min_repetitions or total < effort.min_seconds) and perf_counter() < deadline
        ):
            rounds.append([self._clocked(work) for work in works])
            total += sum(rounds[-1])
        return rounds

    def _clocked(self, work: Callable[[], object]) -> float:
        began = perf_counter()
        work()
        self._wait()
        return perf_counter() - began

    def _wait(self) -> None:
        """Wait until the GPU has finished, because CUDA calls return before their work is done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def _memory(self) -> int:
        """Return the maximum memory, in bytes, that the process or, on CUDA, its tensors on the GPU have taken up to
        now."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
