"""The scheme that is best for a target."""

from __future__ import annotations

import numpy as np
import pytest

from emopms.engine.results.schemes import MeasuredSchemes
from emopms.engine.search.best_scheme import best_scheme
from emopms.errors import RunError
from emopms.spec import AtMost, Target

SCHEMES = MeasuredSchemes(
    genomes=np.ones((5, 3), dtype=np.bool_),
    predicted_loss=np.zeros(5),
    loss=np.array([2.0, 0.9, 0.8, 0.5, 0.4]),
    accuracy=np.array([0.5, 0.7, 0.72, 0.88, 0.9]),
    macs=np.array([20, 45, 50, 80, 100]),
    params=np.array([30, 20, 60, 90, 100]),
    costs=np.array([[3.0], [2.0], [4.0], [5.0], [8.0]]),
    on_front=np.ones(5, dtype=np.bool_),
)


@pytest.mark.parametrize(
    ("target", "scheme"),
    [
        (Target(macs=0.5), 2),
        (Target(macs=0.499), 1),
        (Target(params=0.3), 1),
        (Target(macs=0.5, params=0.4), 1),
        (Target(macs=AtMost(at_most=50.0)), 2),
        (Target(latency=0.25), 1),
        (Target(latency=AtMost(at_most=4.5), params=0.7), 2),
        (Target(accuracy_drop=0.2), 2),
        (Target(accuracy_drop=0.2, macs=1.0), 4),
    ],
)
def test_a_target_takes_the_best_within_its_bounds(target: Target, scheme: int) -> None:
    assert best_scheme(target, SCHEMES, ["latency"], dense_accuracy=0.91) == scheme


def test_accuracy_is_compared_with_the_pretrained_network() -> None:
    assert best_scheme(Target(accuracy_drop=0.03), SCHEMES, [], dense_accuracy=0.9) == 3
    assert best_scheme(Target(accuracy_drop=0.03), SCHEMES, [], dense_accuracy=0.92) == 4
    with pytest.raises(RunError, match=r"accuracy_drop-0\.03: the best validation accuracy is 90\.00%"):
        best_scheme(Target(accuracy_drop=0.03), SCHEMES, [], dense_accuracy=0.95)


def test_a_bound_that_nothing_meets_names_what_there_is() -> None:
    with pytest.raises(RunError, match=r"macs-0\.1: the smallest macs are 0\.200 of the dense network's"):
        best_scheme(Target(macs=0.1), SCHEMES, [], dense_accuracy=0.9)
