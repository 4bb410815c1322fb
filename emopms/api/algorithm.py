"""Slot ``algorithm``: the evolutionary multi-objective optimiser."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from emopms.api.numbers import Count
from emopms.component import Component
from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@documented
@dataclass(frozen=True)
class SearchSpace:
    """The space of bit strings that an algorithm searches.

    A bit stands for one channel, or for several channels if the section `genome` of the spec says so.
    """

    genes: int
    """Length of a bit string."""
    objectives: int
    """Number of objectives m."""
    sample: Callable[[int], NDArray[Any]]
    """Function that draws n valid genomes, boolean [n, genes], for the initial population."""
    repair: Callable[[NDArray[Any]], NDArray[Any]]
    """Function that returns valid genomes for any genomes, boolean [n, genes]."""


class Search(Protocol):
    """An algorithm in progress. The engine asks it for genomes, evaluates them, and tells it their objectives."""

    __slots__ = ()

    def ask(self) -> NDArray[Any]:
        """Return the next genomes to evaluate, boolean [n, genes]. An empty array ends the search."""

    def tell(self, objectives: NDArray[Any]) -> None:
        """Receive the objectives [n, m] of the genomes that the last `ask` returned.

        All values are finite, and lower is better. A genome whose evaluation failed gets, for each objective, the
        largest value seen so far.
        """


class Algorithm(Component):
    """A seeded optimiser of bit strings with an ask-and-tell interface."""

    slot: ClassVar[str] = "algorithm"

    pop_size: Annotated[int, Field(ge=4, le=100_000)] = 40
    """Number of candidates (genomes) that survive from one generation to the next."""
    generations: Count = 30
    """Number of generations. The initial population counts as the first generation."""

    @abstractmethod
    def start(self, space: SearchSpace, *, seed: int) -> Search:
        """Begin a search.

        Args:
            space: The genomes to search, and how to sample and repair them.
            seed: Seed of all random choices. With the same seed and the same objectives, a search asks for the same
                genomes.
        """
