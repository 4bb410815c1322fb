"""Independent pieces of work side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emopms.network.runtime.device import Device

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(work: Callable[[Item], Result], items: Iterable[Item], device: Device) -> list[Result]:
    """``[work(item) for item in items]`` without gradients, in the device's numbers.

    On the CPU as many items at a time as PyTorch has threads, each of which computes on its own: threads that share one
    operation wait for each other at its end, and the more so the busier the machine. Results do not depend on how
    many there are. On a GPU one after another, without waiting for it.

    Args:
        work: What it shares with other items must be safe to use from several threads.
    """

    def without_gradients(item: Item) -> Result:
        with torch.inference_mode(), device.autocast():
            return work(item)

    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        return [without_gradients(item) for item in items]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(without_gradients, items))
    finally:
        torch.set_num_threads(threads)  # for threads yet to begin, whatever those of the pool said last
