"""The search loop: no candidate twice, interrupted searches resume, failures never reach the front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from emopms.api import Algorithm, Sampling, SearchSpace, Task
from emopms.builtin.algorithm.nsga2 import Nsga2
from emopms.builtin.objective.capability import Capability
from emopms.builtin.objective.macs import Macs
from emopms.builtin.sampling.importance import Importance
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import Evaluations
from emopms.engine.search.loop import Generation, evolve
from emopms.engine.search.start import SampledStart
from emopms.errors import ComponentError, RunError
from emopms.network.channels.encoding import Encoding
from emopms.network.partition.importance import magnitude
from emopms.pareto import nondominated

from .fakes import Fails, ListLog, Machine, cache_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .fakes import Batches

OBJECTIVES = (Capability(), Macs())
NSGA2 = Nsga2(pop_size=8, generations=5)


def _search(task: Task, cache: EvaluationCache, algorithm: Nsga2 = NSGA2, **more: Any) -> Generation:
    start = SampledStart(Importance(), task)
    return evolve(task.subnetwork, encoding(task), cache=cache, start=start, algorithm=algorithm, seed=7, **more)


def encoding(task: Task, **settings: Any) -> Encoding:
    return Encoding(task.subnetwork.channels, magnitude(task.subnetwork), **settings)


def _logged(batches: Batches) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """All genomes that were evaluated, and their objectives."""
    return np.concatenate([genomes for genomes, _ in batches]), np.concatenate([found.values for _, found in batches])


def test_no_genome_is_evaluated_twice(task: Task) -> None:
    log = ListLog()
    _search(task, cache_for(task, OBJECTIVES, log))
    seen = [genome.tobytes() for genome in _logged(log.batches)[0]]
    assert len(seen) == len(set(seen)) > 16


@pytest.mark.parametrize("missing", [[3, 4, 5], [1], [0, 2, 5]])
def test_a_replayed_search_gives_the_same_front_and_evaluates_only_what_is_missing(
    task: Task, missing: list[int]
) -> None:
    log, shown = ListLog(), list[Generation]()
    whole = _search(task, cache_for(task, OBJECTIVES, log), on_generation=shown.append)
    again = ListLog([batch for number, batch in enumerate(log.batches) if number not in missing])
    reshown: list[Generation] = []
    resumed = _search(task, cache_for(task, OBJECTIVES, again), on_generation=reshown.append)
    assert sum(len(genomes) for genomes, _ in again.batches) == sum(len(log.batches[n][0]) for n in missing)
    np.testing.assert_array_equal(resumed.genomes, whole.genomes)
    np.testing.assert_array_equal(resumed.objectives, whole.objectives)
    assert [(g.evaluations, len(g.genomes)) for g in reshown] == [(g.evaluations, len(g.genomes)) for g in shown]


class _Two:
    def is_over(self, generation: int) -> bool:
        return generation == 2


def test_a_search_whose_time_is_over_ends_early(task: Task) -> None:
    last = _search(task, cache_for(task, OBJECTIVES), budget=_Two())
    assert last.number == 2


def test_the_front_is_that_of_everything_evaluated_and_has_the_dense_genome(task: Task) -> None:
    log = ListLog()
    last = _search(task, cache_for(task, OBJECTIVES, log))
    genomes, values = _logged(log.batches)
    np.testing.assert_array_equal(last.objectives, values[nondominated(values)])
    np.testing.assert_array_equal(last.genomes, genomes[nondominated(values)])
    assert last.evaluations == len(values)
    assert last.asked == 1 + NSGA2.pop_size * NSGA2.generations, "some of which were known already"
    assert genomes[0].all(), "the dense genome is evaluated first"


def test_every_candidate_keeps_a_channel_of_each_group(task: Task) -> None:
    log = ListLog()
    _search(task, cache_for(task, OBJECTIVES, log))
    for genome in _logged(log.batches)[0]:
        assert all(genome[group.genes].any() for group in task.subnetwork.channels.groups)


@pytest.mark.parametrize(
    ("how", "cause"),
    [("raises", "I cannot see it"), ("no memory", "MemoryError"), ("nan", "nan"), ("inf", "inf"), ("masked", "nan")],
)
def test_candidates_that_fail_are_counted_and_never_on_the_front(task: Task, how: str, cause: str) -> None:
    log = ListLog()
    cache = cache_for(task, (Fails(how=how), Capability(), Macs()), log)
    last = _search(task, cache)
    genomes, values = _logged(log.batches)
    failed = ~genomes[:, -1]
    assert last.failed == failed.sum() > 0
    np.testing.assert_array_equal(np.isnan(values), np.tile(failed[:, None], 3))
    assert last.genomes[:, -1].all()
    assert np.isfinite(last.objectives).all()
    assert "'fails'" in cache.cause
    assert cause in cache.cause
    alive = values[~failed]
    np.testing.assert_array_equal(last.objectives, alive[nondominated(alive)])


@pytest.mark.parametrize("how", ["disk full", "cause", "closed stream", "exit"])
def test_a_failure_of_the_machine_ends_the_search_and_is_never_logged_as_the_candidates(task: Task, how: str) -> None:
    log = ListLog()
    with pytest.raises(ComponentError, match="'machine'"):
        _search(task, cache_for(task, (Machine(how=how), Macs()), log))
    assert all(np.isfinite(found.values).all() for _, found in log.batches)


def test_a_batch_that_ends_the_search_is_not_logged(task: Task) -> None:
    log = ListLog()
    with pytest.raises(RunError, match="Nothing is left to search"):
        _search(task, cache_for(task, (Fails(how="raises", always=True), Macs()), log))
    assert log.batches == []
    _search(task, cache_for(task, OBJECTIVES, ListLog(log.batches)))  # the same command, once it is mended


@pytest.mark.parametrize("how", ["raises", "no memory", "nan"])
def test_a_search_in_which_everything_fails_ends_with_the_first_cause(task: Task, how: str) -> None:
    with pytest.raises(RunError, match=r"dense sub-network failed\. The first cause: .*'fails'"):
        _search(task, cache_for(task, (Fails(how=how, always=True), Macs())))


def test_a_generation_in_which_everything_fails_ends_the_search(task: Task) -> None:
    class OnlyDense:
        def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
            alive = np.asarray(genomes.all(axis=1))
            return Evaluations(np.where(alive[:, None], 1.0, np.full((len(genomes), 2), np.nan)), "out of luck")

    with pytest.raises(RunError, match=r"all 8 candidates of generation 2 failed\. The first cause: out of luck"):
        _search(task, EvaluationCache(OnlyDense()))


class Skewed(Sampling):
    """Draws genomes of another network."""

    name: Literal["skewed"] = "skewed"

    def sample(self, subnetwork: Any, inputs: Any, count: int, rng: np.random.Generator) -> NDArray[Any]:
        return np.ones((count, 3), dtype=np.bool_)


class Babbling(Algorithm):
    """Asks about numbers."""

    name: Literal["babbling"] = "babbling"

    def start(self, space: SearchSpace, *, seed: int) -> Any:
        class Asks:
            def ask(self) -> NDArray[Any]:
                return np.full((4, space.genes), 0.5)

        return Asks()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sampling": Skewed()}, r"sampling 'skewed' .* failed to sample candidates: .* shape \[8, 3\] instead"),
        ({"algorithm": Babbling()}, r"algorithm 'babbling' .* failed to ask for candidates: .* float64"),
    ],
)
def test_components_that_return_the_wrong_shape_are_named(task: Task, changed: dict[str, Any], message: str) -> None:
    start, cache = SampledStart(changed.get("sampling", Importance()), task), cache_for(task, OBJECTIVES)
    with pytest.raises(ComponentError, match=message):
        evolve(
            task.subnetwork,
            encoding(task),
            cache=cache,
            start=start,
            algorithm=changed.get("algorithm", NSGA2),
            seed=7,
        )
