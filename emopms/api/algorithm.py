"""Slot ``algorithm``: the evolutionary multi-objective optimiser."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from emopms.api.numbers import Count
from emopms.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class SearchSpace:
    """What is searched: bit strings, as the engine lets an algorithm see them.

    A bit stands for a channel or, where the spec says so, for several (see `Genome` in the spec).
    """

    genes: int
    """Length of a bit string."""
    objectives: int
    """Number of objectives m."""
    sample: Callable[[int], NDArray[Any]]
    """Draws that many valid genomes [n, genes]; the initial population comes from it."""
    repair: Callable[[NDArray[Any]], NDArray[Any]]
    """Makes genomes [n, genes] valid."""


class Search(Protocol):
    """An algorithm in progress. The engine asks for genomes, evaluates them, and tells."""

    def ask(self) -> NDArray[Any]:
        """The next genomes to evaluate, boolean [n, genes]; none at all ends the search, as in a space exhausted."""

    def tell(self, objectives: NDArray[Any]) -> None:
        """Objectives [n, m] of the genomes last asked for, all finite, to be minimised. Genomes that could not be
        judged have the largest values of all so far."""


class Algorithm(Component):
    """A seeded optimiser over bit strings, driven by ask and tell."""

    slot: ClassVar[str] = "algorithm"

    pop_size: Annotated[int, Field(ge=4, le=100_000)] = 40
    """Candidates kept from one generation to the next."""
    generations: Count = 30
    """Generations, the initial population counted as the first."""

    @abstractmethod
    def start(self, space: SearchSpace, *, seed: int) -> Search:
        """Begin a search. Same seed, same told values: same questions."""
