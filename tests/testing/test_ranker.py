from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from emopms.api import Ranker
from emopms.builtin.ranker.impairment import Impairment
from emopms.testing import RankerConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.api import JointSchemes


def ranker(spoil: Any) -> Any:
    """Of exact schemes, spoilt."""
    return component(Ranker, join=lambda self, fronts: spoil(Impairment().join(fronts), fronts))


def rows(schemes: JointSchemes, chosen: Any) -> Any:
    return replace(
        schemes,
        choices=schemes.choices[chosen],
        impairment=schemes.impairment[chosen],
        costs=schemes.costs[chosen],
    )


def changing(schemes: Any, fronts: Any) -> Any:
    fronts[0].costs[:] = 0
    return schemes


def by_chance(schemes: Any, fronts: Any) -> Any:
    return rows(schemes, np.random.permutation(len(schemes.choices)))


SHAPES, SAME = "schemes_have_the_promised_shapes", "the_same_fronts_give_the_same_schemes_and_stay_as_they_are"
SUMS, REACH = "schemes_are_sums_over_their_choices", "schemes_reach_from_the_cheapest_to_the_dense_network"
BROKEN = [
    Broken(SHAPES, ranker(lambda s, f: replace(s, costs=s.costs[:, 0])), "choices, impairment and costs have"),
    Broken(SHAPES, ranker(lambda s, f: replace(s, choices=s.choices.astype(float))), "choices are float64"),
    Broken(SHAPES, ranker(lambda s, f: replace(s, choices=s.choices + 1)), "of fronts that have"),
    Broken(SUMS, ranker(lambda s, f: replace(s, impairment=s.impairment + 1)), "impairments are"),
    Broken(SUMS, ranker(lambda s, f: replace(s, costs=s.costs * 2)), "costs are"),
    Broken("the_cheapest_scheme_comes_first", ranker(lambda s, f: rows(s, slice(None, None, -1))), "ascending"),
    Broken("no_scheme_is_listed_twice", ranker(lambda s, f: rows(s, [0, *range(len(s.choices))])), "some are equal"),
    Broken(REACH, ranker(lambda s, f: rows(s, slice(0, 1))), "The dense network"),
    Broken(REACH, ranker(lambda s, f: rows(s, slice(-1, None))), "The cheapest scheme costs"),
    Broken(SAME, ranker(by_chance), "use no randomness"),
    Broken(SAME, ranker(changing), "changed the fronts"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(RankerConformance, tmp_path)
