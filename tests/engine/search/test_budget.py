"""The time budget of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.engine.search.budget import Budget
from emopms.engine.storage.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def begin(folder: Path, clock: Clock) -> Budget:
    return Budget(10, Journal(folder, owner="evolve/1"), clock=clock)


def test_a_search_ends_with_the_generation_in_which_its_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    budget = begin(tmp_path, clock)
    over = []
    for generation in (1, 2, 3):
        clock.now += 4
        over.append(budget.is_over(generation))
    assert over == [False, False, True]


def test_the_time_of_an_interrupted_attempt_counts_and_its_generations_are_repeated(tmp_path: Path) -> None:
    clock = Clock()
    first = begin(tmp_path, clock)
    for generation in (1, 2):
        clock.now += 4
        assert not first.is_over(generation)
    clock.now += 1000  # nobody searches
    again = begin(tmp_path, clock)
    clock.now += 0.1  # the log answers
    assert not again.is_over(1)
    assert not again.is_over(2)
    clock.now += 2
    assert again.is_over(3)


def test_an_attempt_that_was_interrupted_when_its_time_was_over_ends_where_it_was(tmp_path: Path) -> None:
    clock = Clock()
    first = begin(tmp_path, clock)
    clock.now += 6
    assert not first.is_over(1)
    clock.now += 6
    assert first.is_over(2)
    again = begin(tmp_path, clock)
    assert not again.is_over(1)
    assert again.is_over(2)
