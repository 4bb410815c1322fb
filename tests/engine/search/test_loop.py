"""The search: nothing twice, everything replayable, every objective checked."""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from emopms.api import Algorithm, Objective, Sampling, SearchSpace, Task
from emopms.builtin.algorithm.nsga2 import Nsga2
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.objective.capability import Capability
from emopms.builtin.objective.macs import Macs
from emopms.builtin.sampling.importance import Importance
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import Evaluations, ObjectiveEvaluation
from emopms.engine.search.log import EvaluationLog
from emopms.engine.search.loop import Generation, evolve
from emopms.engine.search.start import SampledStart
from emopms.engine.support.interruption import interrupted
from emopms.errors import ComponentError, RunError
from emopms.network.channels.encoding import Encoding
from emopms.network.criteria import ClassifierLoss
from emopms.network.partition.importance import magnitude
from emopms.network.partition.subnetwork import subnetworks_of
from emopms.network.runtime.device import Device
from emopms.pareto import nondominated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OBJECTIVES = (Capability(), Macs())
NSGA2 = Nsga2(pop_size=8, generations=5)


@pytest.fixture(scope="module")
def task() -> Task:
    torch.manual_seed(0)
    network = SmallResNet(widths=(4, 8)).build(input_shape=(1, 8, 8), classes=3).eval()
    (sub,) = subnetworks_of(network, [], torch.zeros(2, 1, 8, 8))
    images = torch.randn(64, 1, 8, 8)
    with torch.inference_mode():
        references = network(images)
    labels = torch.randint(3, (64,))
    return Task(sub, images, references, labels, ClassifierLoss(), Device("cpu"), tail=lambda scores: scores)


def _search(task: Task, cache: EvaluationCache, algorithm: Nsga2 = NSGA2, **more: Any) -> Generation:
    start = SampledStart(Importance(), task)
    return evolve(task.subnetwork, encoding(task), cache=cache, start=start, algorithm=algorithm, seed=7, **more)


def encoding(task: Task, **settings: Any) -> Encoding:
    return Encoding(task.subnetwork.channels, magnitude(task.subnetwork), **settings)


Batches = list[tuple[NDArray[np.bool_], Evaluations]]


class ListLog(EvaluationLog):
    """A log in memory that replays some batches of an earlier search."""

    def __init__(self, batches: Batches | None = None) -> None:
        self.batches: Batches = []
        self._earlier = batches or []

    def append(self, genomes: NDArray[np.bool_], found: Evaluations) -> None:
        self.batches.append((genomes, found))

    def replay(self) -> Iterator[tuple[NDArray[np.bool_], Evaluations]]:
        return iter(self._earlier)


def cache_for(task: Task, objectives: Sequence[Objective], log: EvaluationLog | None = None) -> EvaluationCache:
    return EvaluationCache(ObjectiveEvaluation(task, objectives), log)


def _logged(batches: Batches) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """All genomes that were judged, and their objectives."""
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


class Fails(Objective):
    """The share of channels kept, but for candidates without the last one."""

    name: Literal["fails"] = "fails"
    how: str
    always: bool = False

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        values: NDArray[Any] = genomes.mean(axis=1)
        bad = ~genomes[:, -1] | self.always
        if self.how == "raises" and bad.any():
            raise ValueError("I cannot see it")
        if self.how == "no memory" and bad.any():
            raise MemoryError
        if self.how in ("nan", "inf"):
            values[bad] = float(self.how)
        return np.ma.masked_where(bad, values) if self.how == "masked" else values


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


def test_what_failed_is_remembered_with_its_cause(task: Task) -> None:
    log = ListLog()
    first = cache_for(task, (Fails(how="raises"), Macs()), log)
    genomes = np.tile(task.subnetwork.dense, (2, 1))
    genomes[1, -1] = False
    values = first.evaluate(genomes)
    second = cache_for(task, (Unasked(),), ListLog(log.batches))
    assert second.failed == 0, "nobody has asked yet"
    np.testing.assert_array_equal(second.evaluate(genomes), values)
    assert (second.failed, second.cause) == (first.failed, first.cause) == (1, first.cause)


class Unasked(Objective):
    """Must not be asked."""

    name: Literal["unasked"] = "unasked"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        pytest.fail("these candidates are known")


class Machine(Objective):
    """Fails as the machine does, for candidates without the last channel."""

    name: Literal["machine"] = "machine"
    how: str

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        if not genomes[:, -1].all():
            match self.how:
                case "disk full":
                    raise OSError(errno.ENOSPC, "No space left on device")
                case "cause":
                    try:
                        raise OSError(errno.EIO, "Input/output error")
                    except OSError as error:
                        raise ValueError("could not measure") from error
                case "closed stream":
                    with io.StringIO() as stream:
                        pass
                    stream.write("progress")
                case "exit":
                    raise SystemExit(3)
        return genomes.mean(axis=1)  # type: ignore[no-any-return]


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


class GivesUp(Objective):
    """Is told to end, and makes a failure of it."""

    name: Literal["gives_up"] = "gives_up"
    how: str

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        interrupted.set()
        if self.how == "raises":
            raise ValueError("something came up")
        return np.full(len(genomes), np.nan)


@pytest.mark.parametrize("how", ["raises", "returns"])
def test_what_comes_of_an_interrupted_evaluation_is_not_remembered(task: Task, how: str) -> None:
    log = ListLog()
    cache = cache_for(task, (GivesUp(how=how),), log)
    try:
        with pytest.raises(KeyboardInterrupt):
            cache.evaluate(task.subnetwork.dense[None, :])
    finally:
        interrupted.clear()
    assert log.batches == []


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


class Misshapen(Objective):
    """Returns something else than a real number a candidate."""

    name: Literal["misshapen"] = "misshapen"
    complex: bool = False

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        return np.zeros(len(genomes), dtype=np.complex128) if self.complex else np.zeros((len(genomes), 2))


@pytest.mark.parametrize(("complex_", "what"), [(False, r"shape \(1, 2\)"), (True, "complex128")])
def test_an_objective_that_returns_the_wrong_shape_is_named(task: Task, complex_: bool, what: str) -> None:
    with pytest.raises(RunError, match=f"'misshapen' returned .*{what}"):
        cache_for(task, (Misshapen(complex=complex_),)).evaluate(task.subnetwork.dense[None, :])


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
