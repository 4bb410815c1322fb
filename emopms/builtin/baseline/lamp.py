"""The baseline ``lamp``: the pruning method LAMP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Allocation, ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Lamp(ScoredBaseline):
    """Keep the filters with the largest layer-adaptive magnitudes, compared across all layers.

    LAMP (Lee et al. 2021, arXiv 2010.07611), applied to filters instead of single weights. The layer-adaptive magnitude
    of a filter is its squared norm, divided by the sum of all squared norms of its layer that are not smaller.
    """

    name: Literal["lamp"] = "lamp"
    allocation: Allocation = "global"
    """How many channels each layer keeps: `uniform`, `global` or `best` (see `ScoredBaseline`)."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        from emopms.network import filters_of, mean_by_gene

        found = []
        for each in filters_of(task.subnetwork):
            squares, order = each.rows.square().sum(dim=1).double().sort(descending=True)
            shares = squares / squares.cumsum(dim=0).clamp_min(1e-300)
            found.append((each.genes[order.cpu().numpy()], shares.cpu().numpy()))
        return mean_by_gene(task.genes, found)
