from __future__ import annotations

import math

import pytest
import torch

from emopms.network.graph.closeness import are_close


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-4), (torch.float64, 1e-9), (torch.bfloat16, 1e-2)])
def test_the_largest_score_says_what_rounding_is(dtype: torch.dtype, rounding: float, scale: float) -> None:
    expected = torch.tensor([[-4.0, 0.0, 1.0]], dtype=dtype) * scale
    off = torch.tensor([[0.0, 4.0, 0.0]], dtype=dtype) * scale * rounding
    assert are_close(expected + 0.9 * off, expected)
    assert not are_close(expected + 1.1 * off, expected)


def test_what_is_not_finite_is_no_measure() -> None:
    expected = torch.tensor([math.inf, math.nan, 1.0])
    assert are_close(expected, expected)
    assert not are_close(torch.tensor([math.inf, math.nan, 2.0]), expected)
    assert not are_close(torch.tensor([1.0, math.nan, 1.0]), expected)


def test_shapes_formats_and_emptiness() -> None:
    assert not are_close(torch.zeros(1), torch.zeros(1, dtype=torch.bfloat16))
    assert not are_close(torch.zeros(2), torch.zeros(1))
    assert are_close(torch.zeros(0), torch.zeros(0))
