"""Which joint schemes are measured, and which of them targets choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.engine.stages.finetune import choose
from emopms.errors import RunError
from emopms.spec import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMES: dict[str, NDArray[np.generic]] = {
    "loss": np.array([2.0, 0.9, 0.8, 0.5, 0.4]),
    "accuracy": np.array([0.5, 0.7, 0.72, 0.88, 0.9]),
    "macs": np.array([20, 45, 50, 80, 100]),
    "params": np.array([30, 20, 60, 90, 100]),
}


@pytest.mark.parametrize(
    ("target", "scheme"),
    [
        (Target(macs=0.5), 2),
        (Target(macs=0.499), 1),
        (Target(params=0.3), 1),
        (Target(macs=0.5, params=0.4), 1),
        (Target(accuracy_drop=0.2), 2),
        (Target(accuracy_drop=0.2, macs=1.0), 4),
    ],
)
def test_a_target_takes_the_best_within_its_bounds(target: Target, scheme: int) -> None:
    assert choose(target, SCHEMES, dense_accuracy=0.91) == scheme


def test_accuracy_is_compared_with_the_pretrained_network() -> None:
    assert choose(Target(accuracy_drop=0.03), SCHEMES, dense_accuracy=0.9) == 3
    assert choose(Target(accuracy_drop=0.03), SCHEMES, dense_accuracy=0.92) == 4
    with pytest.raises(RunError, match=r"accuracy_drop-0\.03; .* the most accurate 90\.00%"):
        choose(Target(accuracy_drop=0.03), SCHEMES, dense_accuracy=0.95)
