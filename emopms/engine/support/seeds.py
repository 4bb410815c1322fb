"""One seed tree: every random stream has a name and depends on nothing but that name and the spec's seed."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def derive(seed: int, *names: str | int) -> int:
    """A seed of 63 bits for the stream called ``names``, such as ``derive(0, "evolve/1", "search")``."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_rng(seed: int, *names: str | int) -> np.random.Generator:
    return np.random.default_rng(derive(seed, *names))


def torch_rng(seed: int, *names: str | int) -> torch.Generator:
    """A CPU generator: drawing on the CPU gives every device the same stream."""
    return torch.Generator().manual_seed(derive(seed, *names))
