"""The scheme that a target chooses."""

from __future__ import annotations

import numpy as np
import pytest

from emopms.engine.results.schemes import MeasuredSchemes
from emopms.engine.results.score import Score
from emopms.engine.stages.finetune import choose_scheme, describe
from emopms.engine.training.tuning import Tuned
from emopms.errors import RunError
from emopms.spec import Target

SCHEMES = MeasuredSchemes(
    genomes=np.ones((5, 3), dtype=np.bool_),
    predicted_loss=np.zeros(5),
    loss=np.array([2.0, 0.9, 0.8, 0.5, 0.4]),
    accuracy=np.array([0.5, 0.7, 0.72, 0.88, 0.9]),
    macs=np.array([20, 45, 50, 80, 100]),
    params=np.array([30, 20, 60, 90, 100]),
    costs=np.zeros((5, 1)),
    on_front=np.ones(5, dtype=np.bool_),
)


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
    assert choose_scheme(target, SCHEMES, dense_accuracy=0.91) == scheme


def test_accuracy_is_compared_with_the_pretrained_network() -> None:
    assert choose_scheme(Target(accuracy_drop=0.03), SCHEMES, dense_accuracy=0.9) == 3
    assert choose_scheme(Target(accuracy_drop=0.03), SCHEMES, dense_accuracy=0.92) == 4
    with pytest.raises(RunError, match=r"accuracy_drop-0\.03; .* the most accurate 90\.00%"):
        choose_scheme(Target(accuracy_drop=0.03), SCHEMES, dense_accuracy=0.95)


@pytest.mark.parametrize(
    ("epoch", "epochs", "said"),
    [
        (0, 0, "65.00% without fine-tuning"),
        (0, 2, "65.00%: 2 epochs of fine-tuning did not help, so the state before is kept"),
        (1, 1, "65.00% before and 70.00% after 1 of 1 epoch"),
    ],
)
def test_the_log_says_whether_fine_tuning_helped(epoch: int, epochs: int, said: str) -> None:
    after = Score(1.0, 0.7 if epoch else 0.65)
    assert describe(Tuned({}, {}, before=Score(1.0, 0.65), after=after, epoch=epoch), epochs) == said
