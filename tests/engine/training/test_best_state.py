"""The best state of a training, by validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from emopms.engine.results.score import Score
from emopms.engine.storage.journal import Journal
from emopms.engine.training.best_state import BestState

if TYPE_CHECKING:
    from pathlib import Path


class Training:
    """A network whose weight is the epoch, with a score for each."""

    def __init__(self, folder: Path, *accuracies: float) -> None:
        self.network = nn.Linear(1, 1, bias=False)
        self.scores = [Score(1.0, accuracy) for accuracy in accuracies]
        self.folder = folder
        self.best = self.open()

    def open(self) -> BestState:
        return BestState(self.network, lambda: self.scores[self.epoch], Journal(self.folder, owner="test"))

    @property
    def epoch(self) -> int:
        return int(self.network.weight)

    def reach(self, *epochs: int) -> None:
        for epoch in epochs:
            nn.init.constant_(self.network.weight, epoch)
            assert self.best.offer(epoch) == self.scores[epoch]


def test_the_highest_accuracy_is_kept(tmp_path: Path) -> None:
    training = Training(tmp_path, 0.5, 0.9, 0.7)
    training.reach(0, 1, 2)
    assert training.best.restore() == Score(1.0, 0.9)
    assert (training.best.epoch, training.epoch) == (1, 1)
    assert len(list(tmp_path.iterdir())) == 1, "one state at a time"


def test_of_equal_ones_the_lowest_loss_and_then_the_first(tmp_path: Path) -> None:
    training = Training(tmp_path, 0.5, 0.5, 0.5)
    training.scores[1] = Score(0.5, 0.5)
    training.scores[2] = Score(0.5, 0.5)
    training.reach(0, 1, 2)
    training.best.restore()
    assert training.epoch == 1


def test_an_interrupted_training_still_has_it(tmp_path: Path) -> None:
    training = Training(tmp_path, 0.9, 0.5, 0.7)
    training.reach(0, 1)
    training.best = training.open()
    assert training.best.epoch == 0
    training.reach(1, 2)
    assert training.best.restore() == Score(1.0, 0.9)
    assert training.epoch == 0


def test_a_damaged_state_does_not_count(tmp_path: Path) -> None:
    training = Training(tmp_path, 0.9, 0.5)
    training.reach(0)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    training.best = training.open()
    training.reach(1)
    assert training.best.restore() == Score(1.0, 0.5)


def test_without_an_offer_the_network_is_scored_as_it_is(tmp_path: Path) -> None:
    training = Training(tmp_path, 0.3)
    nn.init.constant_(training.network.weight, 0)
    assert training.best.restore() == Score(1.0, 0.3)
    assert torch.equal(training.network.weight, torch.zeros(1, 1))
