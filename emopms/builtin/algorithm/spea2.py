"""The search algorithm ``spea2``, which the library pymoo implements."""

from __future__ import annotations

from typing import Literal

from emopms.api import Algorithm, Search, SearchSpace


class Spea2(Algorithm):
    """SPEA2: candidates survive by strength of domination and density (Zitzler et al. 2001)."""

    name: Literal["spea2"] = "spea2"

    def start(self, space: SearchSpace, *, seed: int) -> Search:
        from pymoo.algorithms.moo.spea2 import SPEA2, SPEA2Survival, spea_binary_tournament
        from pymoo.operators.selection.tournament import TournamentSelection

        from emopms.builtin.algorithm.pymoo_search import PymooSearch, operators

        algorithm = SPEA2(
            pop_size=self.pop_size,
            selection=TournamentSelection(func_comp=spea_binary_tournament),
            survival=SPEA2Survival(normalize=True),
            **operators(space),
        )
        return PymooSearch(algorithm, space, seed=seed)
