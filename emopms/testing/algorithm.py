"""Conformance suite for algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emopms.api import SearchSpace
from emopms.pareto import hypervolume
from emopms.testing.component import ComponentConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from emopms.api import Algorithm, Search

    Genomes = NDArray[np.bool_]
    Values = NDArray[np.float64]

_GENES = 24
_GENERATIONS = 6


class AlgorithmConformance(ComponentConformance):
    """Conformance suite for an `Algorithm`. A small population, such as ``MyAlgorithm(pop_size=8)``, saves time."""

    slot: ClassVar[str] = "algorithm"
    component: ClassVar[Algorithm]

    def test_asks_for_valid_genomes(self) -> None:
        for objectives in (2, 3):
            search = self._start(objectives=objectives)
            for number in range(1, _GENERATIONS + 1):
                asked = search.ask()
                assert getattr(asked, "dtype", None) == np.bool_, (
                    f"ask returned {getattr(asked, 'dtype', type(asked))} in generation {number}: return booleans."
                )
                assert asked.shape == (len(asked), _GENES), (
                    f"ask returned {list(asked.shape)} in generation {number}: return [n, {_GENES}]."
                )
                invalid = int((asked != _repaired(asked)).any(axis=1).sum())
                assert not invalid, (
                    f"{invalid} of {len(asked)} genomes of generation {number} are not valid: "
                    "pass all new genomes through space.repair."
                )
                if not len(asked):
                    break
                search.tell(_objectives_of(objectives)(asked))

    def test_asks_for_something_at_first(self) -> None:
        assert len(self._start().ask()), (
            "The first ask returned nothing, so the search would have no result: return genomes."
        )

    def test_the_same_seed_gives_the_same_questions(self) -> None:
        first, again, other = (_asked_genomes(self._start(seed=seed)) for seed in (5, 5, 6))
        assert first == again, (
            "Two searches with one seed ask for different genomes: draw from a generator made from `seed`."
        )
        assert first != other, "Searches with different seeds ask for the same genomes: use `seed`."

    def test_searches_side_by_side_share_nothing(self) -> None:
        alone = [_asked_genomes(self._start(seed=seed)) for seed in (1, 2)]
        searches = [_generations(self._start(seed=seed)) for seed in (1, 2)]
        together: list[list[Any]] = [[], []]
        for _ in range(_GENERATIONS):
            for seen, search in zip(together, searches, strict=True):
                asked, _ = next(search, (np.zeros((0, _GENES)), None))
                seen.append(asked.tolist())
        assert together == [questions + [[]] * (_GENERATIONS - len(questions)) for questions in alone], (
            "Two interleaved searches ask for other genomes than one alone: make all state in `start`."
        )

    def test_finds_better_fronts_than_it_starts_with(self) -> None:
        values = [values for _, values in _generations(self._start(), limit=5 * _GENERATIONS)]
        reference = [_GENES + 1.0, 5.1]
        start, end = hypervolume(values[0], reference), hypervolume(np.concatenate(values), reference)
        assert end > start, (
            f"The hypervolume is {start} at first and {end} after {len(values)} generations: it finds nothing new."
        )

    def test_searches_tiny_spaces(self) -> None:
        """When all genomes of a space have been evaluated, the search may end or continue, but must not fail."""
        for genes in (1, 2, 3):
            for evaluate in (_objectives_of(2), _constant):
                for asked, _ in _generations(self._start(genes=genes), evaluate, limit=30):
                    assert asked.shape[1] == genes, f"ask returned {list(asked.shape)} for {genes} genes."

    def test_what_it_is_told_stays_as_it_is(self) -> None:
        search = self._start()
        for _ in range(_GENERATIONS):
            asked = search.ask()
            if not len(asked):
                break
            told = _objectives_of(2)(asked)
            genomes, before = asked.copy(), told.copy()
            search.tell(told)
            assert np.array_equal(told, before), "tell changed the objectives it was given: work on a copy."
            assert np.array_equal(asked, genomes), "tell changed the genomes that ask had returned: return copies."

    def _start(self, *, genes: int = _GENES, objectives: int = 2, seed: int = 0) -> Search:
        rng = np.random.default_rng(seed)
        space = SearchSpace(
            genes=genes,
            objectives=objectives,
            sample=lambda count: _repaired(rng.random((count, genes)) < rng.uniform(0.05, 1, (count, 1))),
            repair=_repaired,
        )
        return self.component.start(space, seed=seed)


def _repaired(genomes: Genomes) -> Genomes:
    """Repair genomes like a sub-network with a single channel group: each genome keeps at least one channel."""
    genomes = np.array(genomes, dtype=np.bool_)
    genomes[~genomes.any(axis=1), 0] = True
    return genomes


def _objectives_of(objectives: int) -> Callable[[Genomes], Values]:
    """Return a function that evaluates genomes by the first ``objectives`` of three objectives.

    The objectives are the number of kept genes, the sum of the values of the dropped genes, and the number of kept
    genes with an even index.
    """

    def evaluate(genomes: Genomes) -> Values:
        lost = (~genomes) @ (0.8 ** np.arange(genomes.shape[1]))
        return np.column_stack([genomes.sum(axis=1), lost, genomes[:, ::2].sum(axis=1)])[:, :objectives]

    return evaluate


_TWO = _objectives_of(2)


def _constant(genomes: Genomes) -> Values:
    return np.ones((len(genomes), 2))


def _generations(
    search: Search, evaluate: Callable[[Genomes], Values] = _TWO, *, limit: int = _GENERATIONS
) -> Iterator[tuple[Genomes, Values]]:
    for _ in range(limit):
        asked = search.ask()
        if not len(asked):
            return
        values = evaluate(asked)
        yield asked.copy(), values.copy()
        search.tell(values)


def _asked_genomes(search: Search) -> list[list[list[bool]]]:
    return [asked.tolist() for asked, _ in _generations(search)]
