"""The search algorithm ``random``, which learns nothing. Other algorithms are compared with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Algorithm, Search, SearchSpace

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class RandomSearch(Algorithm):
    """Random search: the spec's sampling draws every generation, and not only the first. Other algorithms are compared
    with it."""

    name: Literal["random"] = "random"

    def start(self, space: SearchSpace, *, seed: int) -> Search:
        return _Draws(lambda: space.sample(self.pop_size))


class _Draws:
    def __init__(self, draw: Callable[[], NDArray[Any]]) -> None:
        self._draw = draw

    def ask(self) -> NDArray[Any]:
        return self._draw()

    def tell(self, objectives: NDArray[Any]) -> None:
        """Ignore the objectives: random search does not learn."""
