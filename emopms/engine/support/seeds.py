"""Seeds of random streams. Every stream has a name, and depends only on this name and on the seed of the spec.

Code of others, such as a layer of dropout, draws from the global generators. `seeded_globals` makes these a stream.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from emopms.process_state import generators_restored, seed_generators

if TYPE_CHECKING:
    from collections.abc import Iterator


def derive(seed: int, *names: str | int) -> int:
    """Return a seed of 63 bits for a stream, such as ``derive(0, "evolve/1", "search")``.

    Args:
        seed: The seed of the spec.
        names: The name of the stream, in parts.
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(seed: int, *names: str | int) -> np.random.Generator:
    """Return the numpy generator of a stream (see `derive`)."""
    return np.random.default_rng(derive(seed, *names))


def torch_rng(seed: int, *names: str | int) -> torch.Generator:
    """Return the torch generator of a stream (see `derive`). It is on the CPU, because a generator on a GPU draws other
    numbers."""
    return torch.Generator().manual_seed(derive(seed, *names))


@contextmanager
def seeded_globals(seed: int, *names: str | int) -> Iterator[None]:
    """Make the global generators a stream (see `derive`), and restore their states after the ``with`` statement.

    They are the generators of torch on the CPU and on all GPUs, of numpy, and of Python's `random`. They belong to the
    whole process, so use this around the work of one thread only.
    """
    start = derive(seed, *names)
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # to read a state would take up the GPU
    gpus = range(torch.cuda.device_count()) if used else ()
    try:
        with generators_restored(), torch.random.fork_rng(devices=gpus):
            torch.manual_seed(start)
            seed_generators(start)
            yield
    finally:
        if not used:
            torch.cuda.manual_seed_all(torch.initial_seed())
