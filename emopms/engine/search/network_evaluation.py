"""Evaluates pruned whole networks: the loss on the images of a scorer, and the costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.search.evaluation import Evaluations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.engine.search.network_costs import NetworkCosts
    from emopms.engine.session.scoring import Scorer


class NetworkEvaluation:
    """Evaluates genomes by the loss and the costs of the whole network when it is pruned by the genome."""

    def __init__(self, scorer: Scorer, costs: NetworkCosts) -> None:
        self._scorer, self._costs = scorer, costs

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Return the loss and the costs [n, 1 + k] of the whole network pruned by each of the genomes [n, genes]."""
        losses = np.array([score.loss for score in self._scorer.score(genomes)])
        costs = self._costs.evaluate(genomes)
        values, lost = np.column_stack([losses, costs.values]), losses[~np.isfinite(losses)]
        values[~np.isfinite(values).all(axis=1)] = np.nan
        return Evaluations(values, f"The whole network has loss {lost[0]}." if len(lost) else costs.cause)
