"""How much memory there is to keep things in."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_SHARE = 4
"""One part in so many of what is available may be taken to save time with."""
_MOST = 2 * 2**30
"""Bytes of main memory, at most: the operating system takes long to hand out more, above all to virtual machines."""


def room_on(device: str) -> int:
    """Bytes that may be taken on a device, ``cpu`` or ``cuda``, to keep what would otherwise be computed again."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0]) // _SHARE
    return min(available_memory() // _SHARE, _MOST)


def available_memory() -> int:
    """Bytes of main memory that this process may still take, within its control group where it has one."""
    free = _free_on_linux() or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    limit, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else max(0, min(free, limit - used))


def _free_on_linux() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _number(file: Path) -> int | None:
    """What stands in a file, or None where there is no such file or no number in it."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
