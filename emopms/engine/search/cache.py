"""What a search knows: every genome that was judged, so that none is judged twice."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.search.evaluation import Evaluations, evaluate_candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from emopms.api import Objective, Task


class EvaluationCache:
    """Judges genomes, and remembers of each its objectives; genomes themselves are on disk, where they are logged.

    Args:
        judge: Judges genomes [n, genes].
        on_new: Called with each batch of genomes judged.
    """

    def __init__(
        self,
        evaluate: Callable[[NDArray[np.bool_]], Evaluations],
        *,
        on_new: Callable[[NDArray[np.bool_], Evaluations], None] = lambda *_: None,
    ) -> None:
        self._evaluate, self._on_new = evaluate, on_new
        self._known: dict[bytes, tuple[float, ...]] = {}
        self._logged: dict[bytes, tuple[tuple[float, ...], str]] = {}
        self.failed = 0
        """How many of those asked about have failed."""
        self.cause = ""
        """Why the first of them did."""

    @property
    def evaluations(self) -> int:
        """How many genomes were asked about, each counted once; in an earlier attempt or in this one."""
        return len(self._known)

    def remember(self, genomes: NDArray[np.bool_], found: Evaluations) -> None:
        """Take in what an earlier attempt logged."""
        for genome, values in zip(genomes, found.values.tolist(), strict=True):
            self._logged[_digest(genome)] = tuple(values), found.cause

    def __call__(self, genomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Objectives [n, m] of genomes [n, genes], NaN for those that failed; only new ones are judged."""
        digests = [_digest(genome) for genome in genomes]
        new = {
            digest: genome
            for digest, genome in zip(digests, genomes, strict=True)
            if digest not in self._known and digest not in self._logged
        }
        if new:
            batch = np.stack(list(new.values()))
            found = self._evaluate(batch)
            self._on_new(batch, found)
            self.remember(batch, found)
        for digest in digests:
            if digest not in self._known:
                self._known[digest], cause = self._logged.pop(digest)
                if np.isnan(self._known[digest]).any():
                    self.failed, self.cause = self.failed + 1, self.cause or cause
        return np.array([self._known[digest] for digest in digests], dtype=np.float64)


def cache_for(
    task: Task,
    objectives: Sequence[Objective],
    *,
    on_new: Callable[[NDArray[np.bool_], Evaluations], None] = lambda *_: None,
) -> EvaluationCache:
    """A memory that judges by these objectives."""
    return EvaluationCache(lambda genomes: evaluate_candidates(genomes, task, objectives), on_new=on_new)


def _digest(genome: NDArray[np.bool_]) -> bytes:
    return hashlib.blake2b(np.packbits(genome).tobytes(), digest_size=16).digest()
