"""Slot ``ranker``: joining one front point of every sub-network into schemes for the whole network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class SubFront:
    """The front of one search, put back into the otherwise dense network; the dense point comes last."""

    impairment: NDArray[Any]
    """[p]: how much loss the whole network gains, δ_i(m); the dense point has 0."""
    costs: NDArray[Any]
    """[p, k]: costs of the sub-network, one column a cost objective; of the whole network, where it is
    what crosses the splits that was searched."""


@dataclass(frozen=True)
class JointSchemes:
    """Schemes for the whole network, cheapest first, none twice; the cheapest there is and the dense one included."""

    choices: NDArray[Any]
    """[s, n]: for each scheme the chosen point of each search's front."""
    impairment: NDArray[Any]
    """[s]: predicted impairment, the sum over the chosen points."""
    costs: NDArray[Any]
    """[s, k]: costs, likewise summed."""


class Ranker(Component):
    """Global performance impairment ranking (fourth idea of EMO-PMS, arXiv 2303.16212)."""

    slot: ClassVar[str] = "ranker"

    @abstractmethod
    def join(self, fronts: Sequence[SubFront]) -> JointSchemes:
        """Combine the fronts of all searches. Each holds at least its dense point."""
