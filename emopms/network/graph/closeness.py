"""What may differ between two ways to compute the same scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def largest(scores: Tensor) -> float:
    """Magnitude of the largest finite score."""
    return float(scores[scores.isfinite()].abs().amax()) if scores.isfinite().any() else 0.0


def are_close(found: Tensor, expected: Tensor) -> bool:
    """Whether scores are equal but for rounding, which adds up with the size of what is summed: within 1e-4 of the
    largest score in fp32, 1e-9 in fp64, 1e-2 in less."""
    if found.shape != expected.shape:
        return False
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-4}.get(expected.dtype, 1e-2)
    return torch.allclose(found, expected, rtol=0, atol=tolerance * largest(expected), equal_nan=True)
