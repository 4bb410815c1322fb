"""The sources of the genomes with which a search begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from emopms.api import Sampling
from emopms.builtin.sampling.uniform import Uniform
from emopms.engine.search.start import JointStart, SampledStart
from emopms.errors import ComponentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import Task

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


def test_samples_are_those_of_the_component_for_the_task(task: Task) -> None:
    found = SampledStart(Uniform(), task).draw(5, np.random.default_rng(3))
    expected = Uniform().sample(task.subnetwork, task.inputs, 5, np.random.default_rng(3))
    np.testing.assert_array_equal(found, expected)


class Odd(Sampling):
    """A sampling that returns what it is told to."""

    name: Literal["odd"] = "odd"
    kind: str

    def sample(self, subnetwork: Any, inputs: Any, count: int, rng: np.random.Generator) -> Any:
        match self.kind:
            case "raises":
                raise ZeroDivisionError("by zero")
            case "numbers":
                return rng.random((count, subnetwork.channels.genes))
            case _:
                return np.ones((count, subnetwork.channels.genes + 1), dtype=np.bool_)


@pytest.mark.parametrize(("kind", "message"), [("raises", "by zero"), ("numbers", "float64"), ("genes", "booleans")])
def test_a_sampling_that_fails_is_named(task: Task, kind: str, message: str) -> None:
    with pytest.raises(ComponentError, match=f"sampling 'odd' .* failed to sample candidates: .*{message}"):
        SampledStart(Odd(kind=kind), task).draw(4, np.random.default_rng(0))
