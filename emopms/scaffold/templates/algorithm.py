"""The component ``new_algorithm`` of the slot ``algorithm``: a local search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from emopms.api import Algorithm, Search, SearchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NewAlgorithm(Algorithm):
    """Local search: every generation flips a few genes of candidates on the current front."""

    name: Literal["new_algorithm"] = "new_algorithm"
    flips: Annotated[float, Field(gt=0)] = 2.0
    """Average number of genes to flip per candidate."""

    def start(self, space: SearchSpace, *, seed: int) -> Search:
        return _LocalSearch(space, self.pop_size, self.flips, np.random.default_rng(seed))


class _LocalSearch:
    def __init__(self, space: SearchSpace, size: int, flips: float, rng: np.random.Generator) -> None:
        self._space, self._size, self._rng = space, size, rng
        self._rate = min(1.0, flips / space.genes)
        self._asked = space.repair(space.sample(size))
        self._genomes = np.zeros((0, space.genes), dtype=np.bool_)
        self._objectives = np.zeros((0, space.objectives))

    def ask(self) -> NDArray[Any]:
        if len(self._genomes):
            parents = self._genomes[self._rng.integers(len(self._genomes), size=self._size)]
            self._asked = self._space.repair(parents ^ (self._rng.random(parents.shape) < self._rate))
        return self._asked

    def tell(self, objectives: NDArray[Any]) -> None:
        from emopms.pareto import nondominated

        genomes = np.concatenate([self._genomes, self._asked])
        values = np.concatenate([self._objectives, objectives])
        front = nondominated(values)
        self._genomes, self._objectives = genomes[front], values[front]
