"""Compares scores that were computed in two ways, with a tolerance for rounding errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def largest(scores: Tensor) -> float:
    """Return the largest absolute value of the finite scores, or 0 if no score is finite."""
    return float(scores[scores.isfinite()].abs().amax()) if scores.isfinite().any() else 0.0


def are_close(found: Tensor, expected: Tensor) -> bool:
    """Return whether scores are equal up to rounding errors, and of the same shape and number format.

    Rounding errors grow with the size of the scores. Therefore the tolerance is the largest absolute value of the
    expected scores times 1e-9 in fp64, 1e-4 in fp32, and 1e-2 in smaller formats.
    """
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return False
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-4}.get(expected.dtype, 1e-2)
    return torch.allclose(found, expected, rtol=0, atol=tolerance * largest(expected), equal_nan=True)
