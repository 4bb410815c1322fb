"""Slot ``ranker``: joining the fronts of the sub-networks into schemes for the whole network.

A scheme combines one point from the front of every sub-network. A point is one way to prune that sub-network.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.component import Component
from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@documented
@dataclass(frozen=True)
class SubFront:
    """The front of one search. Each point is one way to prune a sub-network, measured with the rest of the network
    unpruned.

    The last point is the dense point: the unpruned sub-network.
    """

    impairment: NDArray[Any]
    """Impairment δ_i(m) of each of the p points [p]: the increase of the whole network's loss. It is 0 for the dense
    (unpruned) point."""
    costs: NDArray[Any]
    """Costs of the sub-network for each of the p points [p, k], one column per cost objective. One search prunes the
    channels of the tensors at the split points; for it, these are costs of the whole network."""


@documented
@dataclass(frozen=True)
class JointSchemes:
    """Distinct schemes for the whole network, cheapest first.

    Among them are the cheapest possible scheme and the scheme that leaves the whole network unpruned.
    """

    choices: NDArray[Any]
    """[s, n]: for each scheme, the index of the chosen point on each of the n fronts."""
    impairment: NDArray[Any]
    """[s]: predicted impairment of each scheme (the increase of the network's loss): the sum over its chosen points."""
    costs: NDArray[Any]
    """[s, k]: the k costs of each scheme: the sums over its chosen points."""


class Ranker(Component):
    """A rule that joins the fronts of all searches into schemes for the whole network.

    It is global performance impairment ranking, the fourth idea of EMO-PMS (arXiv 2303.16212).
    """

    slot: ClassVar[str] = "ranker"

    @abstractmethod
    def join(self, fronts: Sequence[SubFront]) -> JointSchemes:
        """Combine the fronts of all searches into schemes. Each front holds at least its dense point, which prunes
        nothing."""
