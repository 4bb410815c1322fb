"""The genomes with which a search begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.search.start import JointStart

if TYPE_CHECKING:
    from numpy.typing import NDArray

GENES = (2, 3)
"""Of the two sub-networks."""


def _joint(count: int) -> NDArray[np.bool_]:
    found = np.unique(np.random.default_rng(1).random((4 * count, sum(GENES))) < 0.5, axis=0)
    assert len(found) >= count
    return found[:count]


def test_a_population_begins_with_the_joint_schemes_and_goes_on_with_mixtures() -> None:
    joint = _joint(5)
    found = JointStart(joint, GENES).draw(40, np.random.default_rng(0))
    assert found.shape == (40, 5)
    np.testing.assert_array_equal(found[:5], joint)
    first, second = ({row.tobytes() for row in part} for part in np.split(found, [2], axis=1))
    assert first == {row.tobytes() for row in joint[:, :2]}, "what some joint scheme keeps of a sub-network"
    assert second == {row.tobytes() for row in joint[:, 2:]}
    assert len({row.tobytes() for row in found}) > len(joint), "in new combinations"


def test_fewer_are_spread_over_the_front_and_each_is_given_once() -> None:
    joint, rng = _joint(9), np.random.default_rng(0)
    start = JointStart(joint, GENES)
    found = start.draw(3, rng)
    np.testing.assert_array_equal(found, joint[[0, 4, 8]])
    rest = start.draw(20, rng)
    np.testing.assert_array_equal(rest[:6], joint[[1, 2, 3, 5, 6, 7]])
    assert start.draw(4, rng).shape == (4, 5)


def test_a_front_that_holds_only_the_dense_network_gives_nothing_else() -> None:
    start = JointStart(np.ones((1, 5), dtype=np.bool_), GENES)
    assert start.draw(7, np.random.default_rng(0)).all()
