"""Runs independent pieces of work in parallel."""

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
    """Return ``[work(item) for item in items]``, computed without gradients and in the device's number format.

    On the CPU, each thread of PyTorch runs an item of its own. Threads that share one operation would wait for each
    other at the end of the operation, especially on a busy machine. Results do not depend on the number of threads. On
    a GPU, items run one after another, and this function returns without waiting for the GPU.

    Args:
        work: A function that several threads may call at once.
        items: The arguments of ``work``, one per call.
        device: The device.
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
        torch.set_num_threads(threads)  # the threads of the pool changed the default of later threads too
