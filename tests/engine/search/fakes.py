"""Objectives that fail in all ways, and a log in memory."""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from emopms.api import Objective, Task
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import Evaluations, ObjectiveEvaluation
from emopms.engine.search.log import EvaluationLog
from emopms.engine.support.interruption import interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


class Fails(Objective):
    """The share of channels kept. Candidates without the last channel fail, or all of them."""

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


class Unasked(Objective):
    """An objective that must not be called."""

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


class GivesUp(Objective):
    """Receives the signal to end, and treats it as a failure of the candidates."""

    name: Literal["gives_up"] = "gives_up"
    how: str

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        interrupted.set()
        if self.how == "raises":
            raise ValueError("something came up")
        return np.full(len(genomes), np.nan)


class Misshapen(Objective):
    """Returns something else than a real number for each candidate."""

    name: Literal["misshapen"] = "misshapen"
    complex: bool = False

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        return np.zeros(len(genomes), dtype=np.complex128) if self.complex else np.zeros((len(genomes), 2))
