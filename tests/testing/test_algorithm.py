from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from emopms.api import Algorithm
from emopms.testing import AlgorithmConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path


class Draws:
    """A random search that is right."""

    def __init__(self, space: Any, seed: int) -> None:
        self.space, self.rng = space, np.random.default_rng(seed)

    def ask(self) -> Any:
        return self.space.repair(self.rng.random((6, self.space.genes)) < self.rng.uniform(0.1, 1.0, (6, 1)))

    def tell(self, objectives: Any) -> None:
        """Learns nothing."""


class Remembering(Draws):
    """Never asks twice for what any search has asked for."""

    seen: set[bytes] = set()  # noqa: RUF012  the defect

    def ask(self) -> Any:
        asked = super().ask()
        asked = asked[[genome.tobytes() not in self.seen for genome in asked]]
        self.seen.update(genome.tobytes() for genome in asked)
        return asked


class Shared(Draws):
    """All searches draw from one generator, which the latest of them seeded."""

    generator: Any = None

    def __init__(self, space: Any, seed: int) -> None:
        super().__init__(space, seed)
        Shared.generator = self.rng

    def ask(self) -> Any:
        self.rng = Shared.generator
        return super().ask()


class Stuck(Draws):
    """Asks for the same again and again."""

    def ask(self) -> Any:
        if not hasattr(self, "first"):
            self.first = super().ask()
        return self.first


class Scaling(Draws):
    def tell(self, objectives: Any) -> None:
        objectives /= objectives.max(axis=0)


class Reusing(Draws):
    """Keeps on working in the array that it gave away."""

    def ask(self) -> Any:
        self.asked = super().ask()
        return self.asked

    def tell(self, objectives: Any) -> None:
        self.asked[:] = False


def algorithm(kind: Any, **members: Any) -> Any:
    """Of a search of that kind, whose methods may be other ones."""
    search = type("Search", (kind,), members)
    return component(Algorithm, start=lambda self, space, *, seed: search(space, seed))


def asking(spoil: Any) -> Any:
    return algorithm(Draws, ask=lambda self: spoil(Draws.ask(self), self))


def failing_when_small(asked: Any, search: Any) -> Any:
    return asked[:, [search.rng.choice(search.space.genes, 3, replace=False)[0], *range(1, search.space.genes)]]


VALID, SEED = "asks_for_valid_genomes", "the_same_seed_gives_the_same_questions"
TOLD = "what_it_is_told_stays_as_it_is"
BROKEN = [
    Broken(VALID, asking(lambda g, s: g * 1.0), "ask returned float64 in generation 1"),
    Broken(VALID, asking(lambda g, s: g.tolist()), "ask returned <class 'list'>"),
    Broken(VALID, asking(lambda g, s: g[0]), r"ask returned \[24\]"),
    Broken(VALID, asking(lambda g, s: g[:, :-1]), r"ask returned \[6, 23\]"),
    Broken(VALID, asking(lambda g, s: g & (np.arange(len(g)) > 1)[:, None]), "2 of 6 genomes of generation 1"),
    Broken("asks_for_something_at_first", asking(lambda g, s: g[:0]), "The first ask returned nothing"),
    Broken(SEED, asking(lambda g, s: s.space.repair(np.random.random(g.shape) < 0.5)), "Two searches with one seed"),
    Broken(
        SEED, algorithm(Draws, __init__=lambda self, space, seed: Draws.__init__(self, space, 0)), "ask for the same"
    ),
    Broken("searches_side_by_side_share_nothing", algorithm(Shared), "make all state in `start`"),
    Broken(SEED, algorithm(Remembering), "Two searches with one seed"),
    Broken("finds_better_fronts_than_it_starts_with", algorithm(Stuck), "it finds nothing new"),
    Broken("searches_tiny_spaces", asking(failing_when_small), "larger sample than population"),
    Broken("searches_tiny_spaces", asking(lambda g, s: g[:, :2]), "for 3 genes"),
    Broken(TOLD, algorithm(Scaling), "tell changed the objectives"),
    Broken(TOLD, algorithm(Reusing), "tell changed the genomes"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(AlgorithmConformance, tmp_path)


def test_a_search_that_is_right_passes() -> None:
    class Right(AlgorithmConformance):
        component = algorithm(Draws)

    for name in vars(AlgorithmConformance):
        if name.startswith("test_"):
            getattr(Right(), name)()
