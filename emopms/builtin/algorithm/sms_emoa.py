"""SMS-EMOA, from pymoo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Algorithm, Search

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class SmsEmoa(Algorithm):
    """SMS-EMOA: survival by hypervolume contribution (Beume et al. 2007)."""

    name: Literal["sms_emoa"] = "sms_emoa"

    def start(
        self,
        *,
        sample: Callable[[int], NDArray[Any]],
        repair: Callable[[NDArray[Any]], NDArray[Any]],
        genes: int,
        objectives: int,
        seed: int,
    ) -> Search:
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
            **operators(sample, repair),
        )
        return PymooSearch(algorithm, genes=genes, objectives=objectives, seed=seed)
