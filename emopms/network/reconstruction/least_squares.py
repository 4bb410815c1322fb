"""Ridge-regularised least squares for the change of a weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

RIDGE: Final = 1e-3
"""Strength of the penalty on the change of a weight, as a share of the variance of the input that it multiplies."""
_ROUNDING: Final = 1e-12
"""The same as a share of the mean square, so that inputs without variance get no change."""


class NormalEquations:
    """The normal equations of the change of a weight that best corrects the errors of a layer's outputs.

    For each group of a convolution, they minimise ‖X Δ + s − E‖² + λ ‖D Δ‖². X are the inputs, D their standard
    deviations, E the errors, Δ is the change of the weight, and s a shift of the outputs. λ is `RIDGE`. So a layer
    without errors does not change, and the change never increases ‖E‖. X and E are given in batches of rows, and are
    not kept.

    Args:
        shift: Whether the outputs can be shifted. If not, s and the means of the inputs are taken as 0.
    """

    def __init__(self, *, shift: bool) -> None:
        self._shift, self._rows = shift, 0
        # [groups, F, F], [groups, F, O / groups], [groups, 1, F] and [groups, 1, O / groups] after the first rows
        self._gram = self._cross = self._inputs = self._errors = torch.zeros((), dtype=torch.float64)

    def add(self, inputs: Tensor, errors: Tensor) -> None:
        """Add rows of inputs [rows, groups, F] and of errors [rows, O]."""
        x = inputs.double().movedim(1, 0)
        e = errors.double().reshape(len(errors), len(x), -1).movedim(1, 0)
        self._rows += x.shape[1]
        self._gram, self._inputs = self._gram + x.mT @ x, self._inputs + x.sum(dim=1, keepdim=True)
        self._cross, self._errors = self._cross + x.mT @ e, self._errors + e.sum(dim=1, keepdim=True)

    def solve(self) -> tuple[Tensor, Tensor]:
        """Return the change [O, F] and the shift [O] in fp64. They are not finite if inputs or errors are not."""
        mean, error = self._inputs / self._rows * self._shift, self._errors / self._rows * self._shift
        gram = self._gram - self._rows * mean.mT @ mean
        cross = self._cross - self._rows * mean.mT @ error
        squares = self._gram.diagonal(dim1=1, dim2=2)
        ridge = RIDGE * gram.diagonal(dim1=1, dim2=2) + _ROUNDING * squares + torch.finfo(squares.dtype).tiny
        factor, _ = torch.linalg.cholesky_ex(gram + ridge.diag_embed())
        change = torch.cholesky_solve(cross, factor)
        return change.mT.flatten(0, 1), (error - mean @ change).flatten()
