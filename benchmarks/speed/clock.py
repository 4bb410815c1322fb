"""Measures the time of parts of a search and its memory from outside, without changes to the measured code."""

from __future__ import annotations

import functools
import resource
import sys
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from emopms.network.runtime.device import Device


class Clock:
    """Measures the seconds of each part. Time in a nested part counts only for the nested part."""

    def __init__(self, now: Callable[[], float] = perf_counter) -> None:
        self._now = now
        self._open: list[str] = []
        self._since = now()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        self._account()
        self._open.append(part)
        try:
            yield
        finally:
            self._account()
            self._open.pop()

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time measured."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.within(part):
                return function(*args, **kwargs)

        return timed

    def _account(self) -> None:
        now = self._now()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now


@contextmanager
def watching(clock: Clock, points: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Measure the time of functions within this context.

    Args:
        clock: The clock that counts the time.
        points: The functions of each part, as ``module:name`` or ``module:Class.name``. The module is the one that
            calls the function by this name.

    Raises:
        AttributeError: A function does not exist, because it was moved or renamed.
    """
    with ExitStack() as stack:
        for part, functions in points.items():
            for function in functions:
                module, _, path = function.partition(":")
                *outer, name = path.split(".")
                owner = functools.reduce(getattr, outer, import_module(module))
                stack.enter_context(mock.patch.object(owner, name, clock.wrap(part, getattr(owner, name))))
        yield


def clock_for(device: Device) -> Callable[[], float]:
    """Return a clock for the device. On CUDA, it waits until all queued work is done."""

    def waited() -> float:
        torch.cuda.synchronize()
        return perf_counter()

    return waited if device.type == "cuda" else perf_counter


class Peak:
    """Peak memory since construction, in bytes: of the process, or on CUDA of the tensors on the GPU.

    On systems other than Linux the process's peak cannot be reset, so it includes earlier peaks.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        elif _CLEAR.exists():
            _CLEAR.write_text("5")  # resets VmHWM: man 5 proc

    def bytes(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        if _CLEAR.exists():
            line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
            return int(line.split()[1]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
