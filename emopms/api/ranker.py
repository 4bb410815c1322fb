"""Slot ``ranker``: joining the fronts of the sub-networks into schemes for the whole network.

A scheme takes one front point of every sub-network.
"""

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
    """The front of one search. Each point was measured with the rest of the network dense. The dense point is last."""

    impairment: NDArray[Any]
    """[p]: impairment δ_i(m), the increase of the whole network's loss. It is 0 for the dense point."""
    costs: NDArray[Any]
    """[p, k]: costs of the sub-network, one column per cost objective. For the search of the channels that cross the
    splits, these are costs of the whole network."""


@dataclass(frozen=True)
class JointSchemes:
    """Distinct schemes for the whole network, cheapest first.

    The cheapest possible scheme and the scheme of all dense points are among them.
    """

    choices: NDArray[Any]
    """[s, n]: for each scheme, the index of the chosen point on each of the n fronts."""
    impairment: NDArray[Any]
    """[s]: predicted impairment, the sum over the chosen points."""
    costs: NDArray[Any]
    """[s, k]: costs, the sum over the chosen points."""


class Ranker(Component):
    """A rule that joins the fronts of all searches into schemes for the whole network.

    It is global performance impairment ranking, the fourth idea of EMO-PMS (arXiv 2303.16212).
    """

    slot: ClassVar[str] = "ranker"

    @abstractmethod
    def join(self, fronts: Sequence[SubFront]) -> JointSchemes:
        """Combine the fronts of all searches into schemes. Each front holds at least its dense point."""
