from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emopms.api import JointSchemes, Ranker, SubFront
from emopms.builtin.ranker.greedy import Greedy
from emopms.builtin.ranker.impairment import Impairment
from tests.examples import scaled

examples = settings(max_examples=scaled(80))
ALL: list[Ranker] = [Impairment(), Greedy()]


@st.composite
def fronts(draw: st.DrawFn, *, least: int = -2) -> list[SubFront]:
    """Of one to three sub-networks, with one or two costs; the dense point is last and the dearest."""
    costs = draw(st.integers(1, 2))
    scale = draw(st.sampled_from([1.0, 0.25]))  # sums are exact
    found = []
    for _ in range(draw(st.integers(1, 3))):
        point = st.tuples(st.integers(least, 8), *[st.integers(1, 6)] * costs)
        rows = [*draw(st.lists(point, max_size=4)), (0, *[7] * costs)]
        values = np.array(rows) * scale
        found.append(SubFront(impairment=values[:, 0], costs=values[:, 1:]))
    return found


def total(some: list[SubFront], choice: tuple[int, ...]) -> tuple[float, ...]:
    """Impairment and costs of one choice."""
    points = [[front.impairment[i], *front.costs[i]] for front, i in zip(some, choice, strict=True)]
    return tuple(round(float(value), 6) for value in np.sum(points, axis=0))


def dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


def rows(schemes: JointSchemes) -> list[tuple[float, ...]]:
    both = np.column_stack([schemes.impairment, schemes.costs])
    return [tuple(round(float(value), 6) for value in row) for row in both]


@given(fronts())
@examples
def test_impairment_is_what_trying_every_combination_gives(some: list[SubFront]) -> None:
    everything = {total(some, choice) for choice in product(*(range(len(front.impairment)) for front in some))}
    expected = {a for a in everything if not any(dominates(b, a) for b in everything)}
    schemes = Impairment().join(some)
    assert sorted(rows(schemes)) == sorted(expected)


@pytest.mark.parametrize("ranker", ALL)
@given(some=fronts())
@examples
def test_schemes_are_sums_over_their_choices_from_the_cheapest_on(ranker: Ranker, some: list[SubFront]) -> None:
    schemes = ranker.join(some)
    assert schemes.choices.shape == (len(schemes.impairment), len(some))
    assert schemes.costs.shape == (len(schemes.impairment), some[0].costs.shape[1])
    assert [total(some, tuple(choice)) for choice in schemes.choices.tolist()] == rows(schemes)
    assert (np.diff(schemes.costs[:, 0]) >= 0).all()
    again = ranker.join(some)
    np.testing.assert_array_equal(again.choices, schemes.choices)


@given(fronts(least=1))
@examples
def test_impairment_ends_with_the_dense_network_and_starts_with_the_cheapest(some: list[SubFront]) -> None:
    """Where every cut impairs."""
    schemes = Impairment().join(some)
    assert schemes.choices[-1].tolist() == [len(front.impairment) - 1 for front in some]
    assert schemes.costs[0, 0] == pytest.approx(sum(front.costs[:, 0].min() for front in some))


@given(fronts())
@examples
def test_greedy_walks_from_dense_to_cheapest_one_subnetwork_at_a_time(some: list[SubFront]) -> None:
    schemes = Greedy().join(some)
    assert schemes.choices[-1].tolist() == [len(front.impairment) - 1 for front in some]
    assert schemes.costs[0, 0] == pytest.approx(sum(front.costs[:, 0].min() for front in some))
    assert (np.diff(schemes.costs[:, 0]) > 0).all()
    assert ((np.diff(schemes.choices, axis=0) != 0).sum(axis=1) == 1).all()


@given(fronts())
@examples
def test_greedy_takes_the_least_impairment_a_cost_saved_at_each_step(some: list[SubFront]) -> None:
    path = Greedy().join(some).choices[::-1].tolist()
    for before, after in pairwise(path):
        here, there = total(some, tuple(before)), total(some, tuple(after))
        taken = (there[0] - here[0]) / (here[1] - there[1])
        for index, front in enumerate(some):
            for point in range(len(front.impairment)):
                other = total(some, (*before[:index], point, *before[index + 1 :]))
                if other[1] < here[1] - 1e-9:
                    assert taken <= (other[0] - here[0]) / (here[1] - other[1]) + 1e-6


@given(fronts())
@examples
def test_no_greedy_scheme_beats_the_exact_ones(some: list[SubFront]) -> None:
    exact = rows(Impairment().join(some))
    for scheme in rows(Greedy().join(some)):
        assert any(row == scheme or dominates(row, scheme) for row in exact)


def test_greedy_misses_what_only_pays_together() -> None:
    front = SubFront(np.array([5.0, 1.0, 0.0]), np.array([[1.0], [4.0], [5.0]]))
    assert len(Greedy().join([front, front]).choices) < len(Impairment().join([front, front]).choices)


def test_joining_many_large_fronts_stays_small() -> None:
    rng = np.random.default_rng(0)
    many = []
    for _ in range(5):
        cost = np.sort(rng.integers(1, 1000, 30))[::-1]
        harm = np.sort(rng.random(30))
        many.append(SubFront(np.append(harm, 0.0), np.append(cost, 1000)[:, None].astype(float)))
    schemes = Impairment().join(many)
    assert (np.diff(schemes.impairment) < 0).all()
    assert (np.diff(schemes.costs[:, 0]) > 0).all()
    assert schemes.choices[-1].tolist() == [30] * 5
