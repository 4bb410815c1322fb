"""The evaluation cache of a search: no genome is evaluated twice."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.search.evaluation import failures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.engine.search.evaluation import CandidateEvaluation, Evaluations
    from emopms.engine.search.log import EvaluationLog


class EvaluationCache:
    """Evaluates genomes, and keeps their objectives in memory. The genomes themselves are stored only in the log.

    Args:
        evaluation: Evaluates new genomes.
        log: Holds the evaluations of an interrupted attempt, and receives new evaluations. With None, nothing is
            stored on disk.
    """

    def __init__(self, evaluation: CandidateEvaluation, log: EvaluationLog | None = None) -> None:
        self._evaluation, self._log = evaluation, log
        self._known: dict[bytes, tuple[float, ...]] = {}
        self._logged: dict[bytes, tuple[tuple[float, ...], str]] = {}
        self.failed = 0
        """Number of genomes whose evaluation the search requested, and failed."""
        self.cause = ""
        """Reason why the first of the failed evaluations failed; empty if no evaluation failed."""
        for batch in log.replay() if log else ():
            self._remember(*batch)

    @property
    def evaluations(self) -> int:
        """Number of distinct genomes whose objectives this attempt of the search requested. Genomes whose objectives
        were read from the log count too."""
        return len(self._known)

    def evaluate(self, genomes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the objectives [n, m] of genomes [n, genes]. Only new genomes are evaluated.

        The objectives of genomes whose evaluation failed are NaN. A batch in which every genome fails is not logged: it
        ends the search, and the next attempt evaluates the batch again.
        """
        digests = [_digest(genome) for genome in genomes]
        new = {
            digest: genome
            for digest, genome in zip(digests, genomes, strict=True)
            if digest not in self._known and digest not in self._logged
        }
        if new:
            batch = np.stack(list(new.values()))
            found = self._evaluation.evaluate(batch)
            if self._log and not failures(found.values).all():
                self._log.append(batch, found)
            self._remember(batch, found)
        for digest in digests:
            if digest not in self._known:
                self._known[digest], cause = self._logged.pop(digest)
                if np.isnan(self._known[digest]).any():
                    self.failed, self.cause = self.failed + 1, self.cause or cause
        return np.array([self._known[digest] for digest in digests], dtype=np.float64)

    def _remember(self, genomes: NDArray[np.bool_], found: Evaluations) -> None:
        for genome, values in zip(genomes, found.values.tolist(), strict=True):
            self._logged[_digest(genome)] = tuple(values), found.cause


def _digest(genome: NDArray[np.bool_]) -> bytes:
    return hashlib.blake2b(np.packbits(genome).tobytes(), digest_size=16).digest()
