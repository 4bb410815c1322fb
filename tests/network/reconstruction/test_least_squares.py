from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from emopms.network.reconstruction.least_squares import NormalEquations

from ..networks import examples


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def outputs(x: Tensor, change: Tensor, shift: Tensor) -> Tensor:
    """What rows [rows, groups, F] give with a change [O, F] and a shift [O]."""
    by_group = change.reshape(x.shape[1], -1, x.shape[2])
    return torch.einsum("rgf,gof->rgo", x, by_group).flatten(1) + shift


def solved(x: Tensor, errors: Tensor, *, shift: bool, batches: int = 3) -> tuple[Tensor, Tensor]:
    equations = NormalEquations(shift=shift)
    for inputs, wrong in zip(x.chunk(batches), errors.chunk(batches), strict=True):
        equations.add(inputs, wrong)
    return equations.solve()


@given(st.integers(0, 2**16), st.integers(1, 3), st.integers(1, 5), st.booleans())
@examples
def test_errors_that_a_change_explains_vanish(seed: int, groups: int, width: int, shift: bool) -> None:
    x = drawn(seed, 90, groups, width) * 3 + 5
    errors = outputs(x, drawn(seed + 1, 2 * groups, width), drawn(seed + 2, 2 * groups) * shift)
    left = errors - outputs(x, *solved(x, errors, shift=shift))
    assert left.norm() < 0.05 * errors.norm()


@given(st.integers(0, 2**16), st.integers(1, 120), st.integers(1, 5), st.floats(-8, 8), st.booleans())
@examples
def test_errors_never_grow(seed: int, rows: int, width: int, mean: float, shift: bool) -> None:
    """With fewer rows than unknowns, and with inputs that hardly vary, too."""
    x, errors = drawn(seed, rows, 2, width) + mean, drawn(seed + 1, rows, 4) + 1
    left = errors - outputs(x, *solved(x, errors, shift=shift, batches=1))
    assert left.norm() <= errors.norm() * (1 + 1e-9)


@pytest.mark.parametrize("shift", [False, True])
def test_dead_inputs_and_layers_without_errors_do_not_change(shift: bool) -> None:
    x = drawn(0, 60, 1, 3)
    x[:, :, 1] = 0
    change, _ = solved(x, drawn(1, 60, 2), shift=shift)
    assert change[:, 1].tolist() == [0, 0]
    for inputs, errors in ((x, 0 * drawn(1, 60, 2)), (0 * x, drawn(2, 60, 2))):
        change, moved = solved(inputs, errors, shift=shift)
        assert not change.any()
        assert bool(moved.any()) == (shift and bool(errors.any()))


def test_the_scale_of_inputs_does_not_matter() -> None:
    x, errors = drawn(0, 60, 1, 3), drawn(1, 60, 2)
    scale = torch.tensor([1e-3, 1.0, 1e3])
    change, _ = solved(x, errors, shift=True)
    scaled, _ = solved(x * scale, errors, shift=True)
    torch.testing.assert_close(scaled * scale, change)


def test_what_is_not_finite_gives_no_finite_change() -> None:
    x = drawn(0, 60, 1, 3)
    x[7, 0, 0] = torch.inf
    change, _ = solved(x, drawn(1, 60, 2), shift=True)
    assert not change.isfinite().all()
