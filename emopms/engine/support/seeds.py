"""Seeds of random streams. Every stream has a name, and depends only on this name and on the seed of the spec."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


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
