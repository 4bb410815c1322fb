from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from emopms.api import SearchSpace
from emopms.builtin.algorithm.nsga2 import Nsga2
from emopms.builtin.algorithm.pymoo_search import _TailCrossover
from emopms.builtin.algorithm.random import RandomSearch
from emopms.builtin.algorithm.sms_emoa import SmsEmoa
from emopms.builtin.algorithm.spea2 import Spea2
from emopms.pareto import hypervolume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from emopms.api import Algorithm, Search

    Genomes = NDArray[np.bool_]
    Values = NDArray[np.float64]
    Kind = type[Nsga2 | SmsEmoa | Spea2 | RandomSearch]

EVOLVING: list[Kind] = [Nsga2, SmsEmoa, Spea2]
ALL: list[Kind] = [*EVOLVING, RandomSearch]


def repair(genomes: Genomes) -> Genomes:
    """Like that of a sub-network of one group: no genome drops everything."""
    genomes = genomes.copy()
    genomes[~genomes.any(axis=1), 0] = True
    return genomes


def start(algorithm: Algorithm, *, genes: int, seed: int = 0, objectives: int = 2) -> Search:
    rng = np.random.default_rng(seed)
    space = SearchSpace(
        genes=genes,
        objectives=objectives,
        sample=lambda count: repair(rng.random((count, genes)) < rng.uniform(0.05, 1, (count, 1))),
        repair=repair,
    )
    return algorithm.start(space, seed=seed)


def worth(genomes: Genomes) -> Values:
    """How many genes are kept, against how much of a fixed worth is lost."""
    weights = 0.8 ** np.arange(genomes.shape[1])
    return np.column_stack([genomes.sum(axis=1), (~genomes) @ weights]).astype(float)


def generations(
    search: Search, evaluate: Callable[[Genomes], Values] = worth, *, limit: int = 8
) -> Iterator[tuple[Genomes, Values]]:
    for _ in range(limit):
        asked = search.ask()
        if not len(asked):
            return
        values = evaluate(asked)
        search.tell(values)
        yield asked.copy(), values


def questions(search: Search, **settings: Any) -> list[list[list[bool]]]:
    return [asked.tolist() for asked, _ in generations(search, **settings)]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("values", [{"pop_size": 3}, {"generations": 0}, {"pop_size": "40"}])
def test_bad_values_are_refused(kind: Kind, values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(values)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("objectives", [2, 3])
def test_questions_are_repaired_genomes_a_population_at_a_time(kind: Kind, objectives: int) -> None:
    def evaluate(genomes: Genomes) -> Values:
        return np.column_stack([worth(genomes), genomes[:, ::2].sum(axis=1)])[:, :objectives]

    search = start(kind(pop_size=8), genes=12, objectives=objectives)
    count = 0
    for asked, _ in generations(search, evaluate):
        assert asked.shape == (8, 12)
        assert asked.dtype == np.bool_
        assert asked.any(axis=1).all()
        count += 1
    assert count == 8


@pytest.mark.parametrize("kind", EVOLVING)
def test_the_seed_alone_changes_what_follows_the_start(kind: Kind) -> None:
    def run(seed: int) -> list[list[list[bool]]]:
        population = np.random.default_rng(0).random((8, 12)) < 0.5
        space = SearchSpace(genes=12, objectives=2, sample=lambda count: repair(population[:count]), repair=repair)
        return questions(kind(pop_size=8).start(space, seed=seed), limit=3)

    first, second = run(1), run(2)
    assert first[0] == second[0]
    assert first[1] != second[1]


@pytest.mark.parametrize("kind", EVOLVING)
@pytest.mark.parametrize("genes", [1, 2, 3])
@pytest.mark.parametrize("evaluate", [worth, lambda genomes: np.ones((len(genomes), 2))], ids=["worth", "constant"])
def test_a_tiny_space_is_searched_whole_and_then_nothing_is_asked(
    kind: Kind, genes: int, evaluate: Callable[[Genomes], Values]
) -> None:
    search = start(kind(pop_size=8), genes=genes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        seen = [tuple(genome) for asked in questions(search, evaluate=evaluate, limit=50) for genome in asked]
        assert len(set(seen)) == 2**genes - 1
        assert len(seen) < 50
        assert search.ask().shape == (0, genes)


@pytest.mark.parametrize("kind", EVOLVING)
def test_children_begin_as_their_parents_do(kind: Kind) -> None:
    search = start(kind(pop_size=40), genes=60)
    (parents, _), (children, _) = generations(search, limit=2)
    alike = (children[:, None] == parents).cumprod(axis=2).sum(axis=2).max(axis=1)  # with the nearest parent
    assert 0.4 < alike.mean() / 60 < 0.7


def test_children_are_one_parent_up_to_a_point_and_the_other_but_for_a_flip_behind_it() -> None:
    pairs, genes = 400, 50
    parents = np.stack([np.zeros((pairs, genes), dtype=np.bool_), np.ones((pairs, genes), dtype=np.bool_)])
    own, other = _TailCrossover()._do(None, parents, random_state=np.random.default_rng(0))
    begins = np.cumprod(~own, axis=1).sum(axis=1)  # of the first parent all are False, of the second all True
    assert (np.cumprod(other, axis=1).sum(axis=1) - begins).mean() == pytest.approx(0, abs=2)
    assert genes * 0.4 < begins.mean() < genes * 0.6
    flips = [(~child[begin:]).sum() for child, begin in zip(own, begins, strict=True)]
    assert 0.7 < np.mean(flips) < 1.3
    assert own[:, : genes // 10].mean() == pytest.approx(0.05, abs=0.03), "before the point nothing is flipped"


@pytest.mark.parametrize("kind", EVOLVING)
def test_equal_objectives_raise_no_warnings(kind: Kind) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(questions(start(kind(pop_size=8), genes=12), evaluate=lambda g: np.ones((len(g), 2)))) == 8


def test_random_search_learns_nothing() -> None:
    first = questions(start(RandomSearch(pop_size=8), genes=12))
    assert questions(start(RandomSearch(pop_size=8), genes=12), evaluate=lambda g: -worth(g)) == first


@pytest.mark.parametrize("kind", EVOLVING)
def test_what_is_told_steers_what_is_asked(kind: Kind) -> None:
    first = questions(start(kind(pop_size=8), genes=12))
    other = questions(start(kind(pop_size=8), genes=12), evaluate=lambda g: -worth(g))
    assert other[0] == first[0]
    assert other != first


@pytest.mark.parametrize("kind", EVOLVING)
def test_evolution_beats_random_search_at_equal_evaluations(kind: Kind) -> None:
    def reached(of: Kind, seed: int) -> float:
        search = start(of(pop_size=16), genes=40, seed=seed)
        return hypervolume(np.concatenate([values for _, values in generations(search, limit=20)]), [41.0, 5.1])

    for seed in range(3):
        assert reached(kind, seed) > 1.02 * reached(RandomSearch, seed)
