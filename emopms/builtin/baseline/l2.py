"""The baseline ``l2``: pruning by the L2 norms of filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class L2(ScoredBaseline):
    """Keep the filters with the largest L2 norms (as in soft filter pruning, He et al. 2018, arXiv 1808.06866).

    Each norm is divided by the mean norm of its layer, because layers of different sizes have norms of different size.
    """

    name: Literal["l2"] = "l2"

    def scores(self, task: PruningTask) -> NDArray[Any]:
        from emopms.network import filters_of, mean_by_gene

        norms = [(each.genes, each.rows.norm(dim=1).cpu().numpy()) for each in filters_of(task.subnetwork)]
        return mean_by_gene(task.genes, [(genes, own / max(own.mean(), 1e-12)) for genes, own in norms])
