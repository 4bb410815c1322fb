"""Measures how much memory is available, and runs a batch in halves if there is not enough."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from loguru import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_BUDGET_DIVISOR = 4
"""A cache may take the available memory divided by this number."""
_MAX_MAIN_MEMORY_BUDGET = 2 * 2**30
"""Largest size in bytes of a cache in main memory. The operating system takes long to give a process more memory,
especially on virtual machines."""


def memory_budget(device: str) -> int:
    """Return how many bytes a cache may take on a device, ``cpu`` or ``cuda``."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0]) // _BUDGET_DIVISOR
    return min(available_memory() // _BUDGET_DIVISOR, _MAX_MAIN_MEMORY_BUDGET)


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there was not enough memory, on a GPU or in main memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


def split_on_oom(forward: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Return ``forward(batch)``. If there is not enough memory for the whole batch, compute the result in halves.

    Args:
        forward: A function that computes each row of its result from the same row of its input.
        batch: The input of ``forward`` [N, …].
    """
    try:
        return forward(batch)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error) or len(batch) < 2:
            raise
    if batch.device.type == "cuda":
        torch.cuda.empty_cache()  # not in the `except` block, where the error still holds the tensors of the failed run
    half = len(batch) // 2
    logger.warning("out of memory: a batch of {} images is run in halves", len(batch))
    return torch.cat([split_on_oom(forward, batch[:half]), split_on_oom(forward, batch[half:])])


def available_memory() -> int:
    """Return how many bytes of main memory this process may still take.

    If the process has a Linux control group, the limit of this group counts too.
    """
    free = _free_on_linux() or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return max(0, min([free, *(left for left in map(_left_to, _CONTROL_GROUPS) if left is not None)]))


class _ControlGroup(NamedTuple):
    """The files in which one version of Linux control groups reports memory.

    The fields hold the folder of these files, the names of the files with the limit and the used memory, and the name
    under which the memory that caches files is reported.
    """

    folder: Path
    limit: str
    used: str
    cached: str


_CONTROL_GROUPS = (
    _ControlGroup(Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    _ControlGroup(
        Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
    ),
)


def _left_to(group: _ControlGroup) -> int | None:
    """Return the bytes that a control group may still use. Memory that only caches files counts as free.

    The result is None if there is no group with a limit.
    """
    try:
        limit, used = (int((group.folder / name).read_text()) for name in (group.limit, group.used))
        stat = (group.folder / "memory.stat").read_text().split()
    except (OSError, ValueError):  # there is no such group, or its limit is the word "max"
        return None
    cached = dict(zip(stat[::2], stat[1::2], strict=True)).get(group.cached, "0")
    return limit - used + int(cached)


def _free_on_linux() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
