"""How much memory there is to keep things in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from loguru import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_SHARE = 4
"""One part in so many of what is available may be taken to save time with."""
_MOST = 2 * 2**30
"""Bytes of main memory, at most: the operating system takes long to hand out more, above all to virtual machines."""


def memory_budget(device: str) -> int:
    """Bytes that may be taken on a device, ``cpu`` or ``cuda``, to keep what would otherwise be computed again."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0]) // _SHARE
    return min(available_memory() // _SHARE, _MOST)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was no memory left: on a GPU, or in main memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


def split_on_oom(forward: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """``forward(batch)``, in halves where there is no memory for the whole; it must treat each row by itself."""
    try:
        return forward(batch)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error) or len(batch) < 2:
            raise
    if batch.device.type == "cuda":
        torch.cuda.empty_cache()  # outside of the handler, which holds on to what failed
    half = len(batch) // 2
    logger.warning("out of memory: {} images are run in halves", len(batch))
    return torch.cat([split_on_oom(forward, batch[:half]), split_on_oom(forward, batch[half:])])


def available_memory() -> int:
    """Bytes of main memory that this process may still take, within its control group where it has one."""
    free = _free_on_linux() or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return max(0, min([free, *(left for left in map(_left_to, _GROUPS) if left is not None)]))


class _Group(NamedTuple):
    """Where a kind of control group says what it may take, what it takes, and which of that is cached files."""

    folder: Path
    limit: str
    used: str
    cached: str


_GROUPS = (
    _Group(Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    _Group(Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def _left_to(group: _Group) -> int | None:
    """Bytes that are left to a control group, where there is one with a limit. Cached files give way."""
    try:
        limit, used = (int((group.folder / name).read_text()) for name in (group.limit, group.used))
        stat = (group.folder / "memory.stat").read_text().split()
    except (OSError, ValueError):  # no such group, or no number: it has no limit
        return None
    cached = dict(zip(stat[::2], stat[1::2], strict=True)).get(group.cached, "0")
    return limit - used + int(cached)


def _free_on_linux() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
