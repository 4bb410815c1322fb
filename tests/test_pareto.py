from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emopms.pareto import hypervolume, nondominated, representatives, spread
from tests.examples import scaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

examples = settings(max_examples=scaled(100))


@st.composite
def grids(draw: st.DrawFn, *, least: int = 0) -> NDArray[np.float64]:
    """Points on a small grid, so that ties and duplicates are frequent."""
    width = draw(st.integers(2, 3))
    rows = draw(st.lists(st.tuples(*[st.integers(0, 4)] * width), min_size=least, max_size=12))
    return np.array(rows, dtype=float).reshape(-1, width)


@given(grids())
@examples
def test_nondominated_is_what_nothing_dominates_the_first_of_equals(points: NDArray[np.float64]) -> None:
    expected = [
        i
        for i, point in enumerate(points)
        if not any((other <= point).all() and (other < point).any() for other in points)
        and not any((other == point).all() for other in points[:i])
    ]
    assert nondominated(points).tolist() == expected


@given(grids(), st.integers(1, 5))
@examples
def test_hypervolume_is_the_number_of_dominated_cells(points: NDArray[np.float64], corner: int) -> None:
    width = points.shape[1]
    cells = [np.array(cell) for cell in product(range(corner), repeat=width)]
    expected = sum(any((point <= cell).all() for point in points) for cell in cells)
    assert hypervolume(points, [corner] * width) == pytest.approx(expected)


def test_hypervolume_keeps_its_units() -> None:
    assert hypervolume(np.array([[0.5, 100.0]]), [1.0, 300.0]) == pytest.approx(100.0)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20), st.integers(2, 8))
@examples
def test_spread_shows_few_values_and_both_ends(numbers: list[int], count: int) -> None:
    values = np.array(numbers, dtype=float)
    shown = spread(values[:, None], count)
    assert len(shown) == len(set(shown.tolist()))
    assert shown.tolist() == sorted(shown.tolist())
    assert {values.min(), values.max()} <= set(values[shown])
    assert len(shown) == len(values) if len(values) <= count else len(shown) <= count


def test_spread_covers_the_range_evenly() -> None:
    assert spread(np.arange(101.0)[:, None], 5).tolist() == [0, 25, 50, 75, 100]
    assert spread(np.array([9.0, 0.0, 1.0, 5.0, 8.0])[:, None], 3).tolist() == [0, 1, 3]


def test_spread_goes_along_a_steep_front_too() -> None:
    quality = np.r_[100 - np.arange(101.0), np.zeros(100)]
    cost = np.r_[np.zeros(101), np.arange(1, 101.0)]
    assert spread(np.column_stack([cost, quality]), 5).tolist() == [0, 50, 100, 150, 200]


def test_representatives_of_two_costs_are_the_best_for_each() -> None:
    rng = np.random.default_rng(0)
    costs = rng.random((500, 2))
    quality = 1 / (0.1 + costs[:, 0]) + 1 / (0.1 + costs[:, 1])
    chosen = representatives(quality, costs, 16)
    assert len(chosen) <= 16
    for index in range(2):
        for bound in (0.3, 0.6, 0.9):
            within = costs[:, index] <= bound
            assert quality[chosen][within[chosen]].min() < 1.5 * quality[within].min()


def test_representatives_crowd_where_quality_still_matters() -> None:
    cost = np.linspace(0, 1, 101)
    chosen = representatives(10 * (1 - cost), cost[:, None], 11, worst=5.0)
    assert (cost[chosen] > 0.5).sum() > (cost[chosen] < 0.5).sum() > 0
