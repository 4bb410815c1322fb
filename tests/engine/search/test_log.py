"""The log of evaluations, in a real journal on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from loguru import logger

from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import Evaluations
from emopms.engine.search.log import EvaluationLog
from emopms.engine.storage.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

GENOMES = np.random.default_rng(0).random((6, 5)) < 0.5
VALUES = np.random.default_rng(1).random((6, 2))


def _journal(folder: Path) -> Journal:
    return Journal(folder / "judged", owner="evolve/1 key")


def _write(folder: Path) -> None:
    """Three batches of two genomes each; one genome failed."""
    log = EvaluationLog(_journal(folder))
    assert list(log.replay()) == []
    values = VALUES.copy()
    values[2] = np.nan
    for start in (0, 2, 4):
        rows = slice(start, start + 2)
        log.append(GENOMES[rows], Evaluations(values[rows], "Objective “x” returned nan." if start == 2 else ""))


def test_batches_come_back_in_order_with_their_causes(tmp_path: Path) -> None:
    _write(tmp_path)
    batches = list(EvaluationLog(_journal(tmp_path)).replay())
    assert [found.cause for _, found in batches] == ["", "Objective “x” returned nan.", ""]
    np.testing.assert_array_equal(np.concatenate([genomes for genomes, _ in batches]), GENOMES)
    values = np.concatenate([found.values for _, found in batches])
    np.testing.assert_array_equal(np.delete(values, 2, axis=0), np.delete(VALUES, 2, axis=0))
    assert np.isnan(values[2]).all()
    assert batches[0][0].dtype == np.bool_
    assert values.dtype == np.float64


def test_a_damaged_entry_is_named_and_left_out(tmp_path: Path) -> None:
    _write(tmp_path)
    damaged = sorted((tmp_path / "judged").iterdir())[1]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1  # in a value: the file can still be parsed
    damaged.write_bytes(content)
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    batches = list(EvaluationLog(_journal(tmp_path)).replay())
    logger.remove(sink)
    np.testing.assert_array_equal(np.concatenate([genomes for genomes, _ in batches]), GENOMES[[0, 1, 4, 5]])
    assert len(said) == 1
    assert damaged.name in said[0]


def test_new_batches_follow_the_replayed_ones(tmp_path: Path) -> None:
    _write(tmp_path)
    sorted((tmp_path / "judged").iterdir())[2].write_bytes(b"")  # the last entry: its number is not used again
    log = EvaluationLog(_journal(tmp_path))
    assert len(list(log.replay())) == 2
    log.append(GENOMES[4:], Evaluations(VALUES[4:]))
    assert _journal(tmp_path).numbers() == [0, 1, 2, 3]
    found = list(EvaluationLog(_journal(tmp_path)).replay())
    np.testing.assert_array_equal(np.concatenate([genomes for genomes, _ in found]), GENOMES)


def test_entries_of_another_stage_do_not_count(tmp_path: Path) -> None:
    _write(tmp_path)
    other = Journal(tmp_path / "judged", owner="evolve/2 key")
    assert list(EvaluationLog(other).replay()) == []


def test_a_cache_evaluates_only_what_a_damaged_log_has_lost(tmp_path: Path) -> None:
    asked: list[list[list[bool]]] = []

    class Known:
        def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
            asked.append(genomes.tolist())
            return Evaluations(np.zeros((len(genomes), 2)))

    _write(tmp_path)
    sorted((tmp_path / "judged").iterdir())[0].write_bytes(b"damaged")
    cache = EvaluationCache(Known(), EvaluationLog(_journal(tmp_path)))
    values = cache.evaluate(GENOMES)
    assert asked == [GENOMES[:2].tolist()]
    np.testing.assert_array_equal(values[3:], VALUES[3:])
    assert (cache.failed, cache.cause) == (1, "Objective “x” returned nan.")
