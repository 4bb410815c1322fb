"""The search algorithm ``sms_emoa``, which the library pymoo implements."""

from __future__ import annotations

from typing import Literal

from emopms.api import Algorithm, Search, SearchSpace


class SmsEmoa(Algorithm):
    """SMS-EMOA: candidates survive by hypervolume contribution (Beume et al. 2007)."""

    name: Literal["sms_emoa"] = "sms_emoa"

    def start(self, space: SearchSpace, *, seed: int) -> Search:
        from pymoo.algorithms.moo.sms import (
            SMSEMOA,
            LeastHypervolumeContributionSurvival,
            cv_and_dom_tournament,
        )
        from pymoo.operators.selection.tournament import TournamentSelection

        from emopms.builtin.algorithm.pymoo_search import PymooSearch, operators

        algorithm = SMSEMOA(
            pop_size=self.pop_size,
            selection=TournamentSelection(func_comp=cv_and_dom_tournament),
            survival=LeastHypervolumeContributionSurvival(),
            **operators(space),
        )
        return PymooSearch(algorithm, space, seed=seed)
