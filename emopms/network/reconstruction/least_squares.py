"""Ridge-regularised least squares for the change of a weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

RIDGE: Final = 1e-2
"""Strength of the penalty on the change of a weight, as a share of the variance of the input that it multiplies."""
_ROUNDING: Final = 1e-6
"""The same as a share of the mean square: a variance below it may be a rounding error."""


class NormalEquations:
    """The normal equations of the change of a weight that best corrects the errors of a layer's outputs.

    For each group of a convolution, they minimise ‖X Δ + s − E‖² + λ ‖D Δ‖². X are the inputs, E the errors, Δ is
    the change of the weight, s a shift of the outputs, D holds the norms of the columns of X around their means, and λ
    is `RIDGE`. So a layer without errors does not change, and the change never increases ‖E‖. X and E are given in
    batches of rows, and are not kept.

    Args:
        shift: Whether the outputs can be shifted. If not, s and the means of the inputs are taken as 0.
    """

    def __init__(self, *, shift: bool) -> None:
        self._shift, self._rows = shift, 0
        self._origin: Tensor | None = None  # [groups, 1, F], near the means, so that products keep their digits in fp32
        # [groups, F, F], [groups, F, O / groups], [groups, 1, F] and [groups, 1, O / groups] after the first rows
        self._gram = self._cross = self._inputs = self._errors = torch.zeros((), dtype=torch.float64)

    def add(self, inputs: Tensor, errors: Tensor) -> None:
        """Add rows of inputs [rows, groups, F] and of errors [rows, O]."""
        x = inputs.movedim(1, 0).contiguous()
        if self._origin is None:
            self._origin = x.mean(dim=1, keepdim=True) * self._shift
        x = x - self._origin
        e = errors.reshape(len(errors), len(x), -1).movedim(1, 0).contiguous()
        self._rows += x.shape[1]
        self._gram = self._gram + (x.mT @ x).double()
        self._cross = self._cross + (x.mT @ e).double()
        self._inputs = self._inputs + x.sum(dim=1, keepdim=True, dtype=torch.float64)
        self._errors = self._errors + e.sum(dim=1, keepdim=True, dtype=torch.float64)

    def solve(self) -> tuple[Tensor, Tensor]:
        """Return the change [O, F] and the shift [O] in fp64. They are not finite if there is no solution in fp64."""
        assert self._origin is not None, "no rows were added"
        mean, error = self._inputs / self._rows * self._shift, self._errors / self._rows * self._shift
        gram = self._gram - self._rows * mean.mT @ mean
        cross = self._cross - self._rows * mean.mT @ error
        squares = self._gram.diagonal(dim1=1, dim2=2)
        ridge = RIDGE * gram.diagonal(dim1=1, dim2=2) + _ROUNDING * squares + torch.finfo(squares.dtype).tiny
        factor, failed = torch.linalg.cholesky_ex(gram + ridge.diag_embed())
        factor[failed > 0] = torch.nan
        change = torch.cholesky_solve(cross, factor)
        return change.mT.flatten(0, 1), (error - (mean + self._origin.double()) @ change).flatten()
