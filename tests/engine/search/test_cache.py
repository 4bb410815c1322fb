"""The evaluation cache: it evaluates every genome once, and its log makes it survive an interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.builtin.objective.macs import Macs
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import Evaluations
from emopms.engine.support.interruption import interrupted

from .fakes import Fails, GivesUp, ListLog, Unasked, cache_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import Task

GENOMES = np.array([[True, True], [True, False], [False, True]])


class Counts:
    """The number of channels kept as the only objective; records what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[list[bool]]] = []

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        self.asked.append(genomes.tolist())
        return Evaluations(genomes.sum(axis=1, keepdims=True).astype(float))


def test_only_new_genomes_are_evaluated_each_once() -> None:
    evaluation = Counts()
    cache = EvaluationCache(evaluation)
    assert cache.evaluate(GENOMES[[0, 1, 0]]).tolist() == [[2.0], [1.0], [2.0]]
    assert cache.evaluate(GENOMES[[2, 1]]).tolist() == [[1.0], [1.0]]
    assert cache.evaluate(GENOMES).tolist() == [[2.0], [1.0], [1.0]]
    assert evaluation.asked == [GENOMES[:2].tolist(), GENOMES[2:].tolist()]
    assert cache.evaluations == 3


def test_genomes_of_one_byte_are_told_apart() -> None:
    """Genomes are packed into bits: those of other lengths never meet, and all bits of one length count."""
    genomes = (np.arange(256)[:, None] >> np.arange(8)) % 2 == 1
    cache = EvaluationCache(Counts())
    np.testing.assert_array_equal(cache.evaluate(genomes)[:, 0], genomes.sum(axis=1))
    assert cache.evaluations == 256


def test_new_batches_are_logged_and_replayed_ones_count_only_when_requested() -> None:
    log = ListLog()
    cache = EvaluationCache(Counts(), log)
    cache.evaluate(GENOMES[:2])
    cache.evaluate(GENOMES)
    assert [genomes.tolist() for genomes, _ in log.batches] == [GENOMES[:2].tolist(), GENOMES[2:].tolist()]
    evaluation, again = Counts(), ListLog(log.batches)
    resumed = EvaluationCache(evaluation, again)
    assert resumed.evaluations == 0
    assert resumed.evaluate(GENOMES[1:]).tolist() == [[1.0], [1.0]]
    assert resumed.evaluations == 2
    assert evaluation.asked == []
    assert again.batches == [], "it is in the log already"


def test_failures_are_replayed_with_their_cause(task: Task) -> None:
    log = ListLog()
    first = cache_for(task, (Fails(how="raises"), Macs()), log)
    genomes = np.tile(task.subnetwork.dense, (2, 1))
    genomes[1, -1] = False
    values = first.evaluate(genomes)
    second = cache_for(task, (Unasked(),), ListLog(log.batches))
    assert second.failed == 0, "no genome has been requested yet"
    np.testing.assert_array_equal(second.evaluate(genomes), values)
    assert (second.failed, second.cause) == (first.failed, first.cause) == (1, first.cause)
    second.evaluate(genomes)
    assert second.failed == 1, "each failure counts once"


def test_a_batch_that_fails_as_a_whole_is_not_logged(task: Task) -> None:
    log = ListLog()
    cache = cache_for(task, (Fails(how="nan", always=True),), log)
    assert np.isnan(cache.evaluate(task.subnetwork.dense[None, :])).all()
    assert (cache.failed, "returned nan" in cache.cause) == (1, True)
    assert log.batches == []


@pytest.mark.parametrize("how", ["raises", "returns"])
def test_the_result_of_an_interrupted_evaluation_is_not_logged(task: Task, how: str) -> None:
    log = ListLog()
    cache = cache_for(task, (GivesUp(how=how),), log)
    try:
        with pytest.raises(KeyboardInterrupt):
            cache.evaluate(task.subnetwork.dense[None, :])
    finally:
        interrupted.clear()
    assert log.batches == []
    assert cache.evaluations == 0
