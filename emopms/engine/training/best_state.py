"""The best state of a network in training, by its score on validation images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emopms.engine.results.score import Score

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from emopms.engine.storage.journal import Journal

_PREFIX = "model."


class BestState:
    """Scores a network after each epoch, and keeps the state with the highest accuracy.

    Of states with equal accuracy, it keeps the state with the lowest loss.

    Args:
        network: The network in training.
        validate: Scores the network on validation images. It puts the network into eval mode.
        journal: Stores the best state, from which an interrupted training continues.
    """

    def __init__(self, network: nn.Module, validate: Callable[[], Score], journal: Journal) -> None:
        self._network, self._validate, self._journal = network, validate, journal
        self._best = self._read()

    @property
    def epoch(self) -> int:
        """Number of training epochs of the best state; 0 for the state before training."""
        return self._best[0] if self._best else 0

    def offer(self, epoch: int) -> Score:
        """Score the network after ``epoch`` epochs, keep its state if the score is the best, and return the score."""
        score = self._validate()
        if self._best is None or _rank(score) > _rank(self._best[1]):
            state = {f"{_PREFIX}{name}": tensor for name, tensor in self._network.state_dict().items()}
            figures = {"score": torch.tensor([score.loss, score.accuracy], dtype=torch.float64)}
            self._journal.put(epoch, state | figures)
            self._journal.keep_only(epoch)
            self._best = epoch, score
        return score

    def restore(self) -> Score:
        """Load the best state into the network, and return its score.

        If there is no stored state, or if the stored state is damaged, the network is not changed, and is scored again.
        """
        found = self._best and self._journal.get(self._best[0])
        if not found or self._best is None:
            return self._validate()
        self._network.load_state_dict(
            {name.removeprefix(_PREFIX): tensor for name, tensor in found.items() if name.startswith(_PREFIX)}
        )
        return self._best[1]

    def _read(self) -> tuple[int, Score] | None:
        """Return the epoch and the score of the best state that an interrupted attempt stored."""
        entries: list[tuple[int, dict[str, Tensor]]] = [
            (number, entry) for number in self._journal.numbers() if (entry := self._journal.get(number)) is not None
        ]
        scores = [(number, Score(*entry["score"].tolist())) for number, entry in entries]
        return max(scores, key=lambda found: _rank(found[1]), default=None)


def _rank(score: Score) -> tuple[float, float]:
    """Return the sort key of a score: a better score has a higher key."""
    return score.accuracy, -score.loss
