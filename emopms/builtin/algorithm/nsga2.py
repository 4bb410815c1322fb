"""The search algorithm ``nsga2``, which the library pymoo implements."""

from __future__ import annotations

from typing import Literal

from emopms.api import Algorithm, Search, SearchSpace


class Nsga2(Algorithm):
    """NSGA-II: candidates survive by non-dominated sorting and crowding distance (Deb et al. 2002)."""

    name: Literal["nsga2"] = "nsga2"

    def start(self, space: SearchSpace, *, seed: int) -> Search:
        from pymoo.algorithms.moo.nsga2 import NSGA2, RankAndCrowding, binary_tournament
        from pymoo.operators.selection.tournament import TournamentSelection

        from emopms.builtin.algorithm.pymoo_search import PymooSearch, operators

        algorithm = NSGA2(
            pop_size=self.pop_size,
            selection=TournamentSelection(func_comp=binary_tournament),
            survival=RankAndCrowding(),
            **operators(space),
        )
        return PymooSearch(algorithm, space, seed=seed)
