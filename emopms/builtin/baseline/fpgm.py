"""The baseline ``fpgm``: removes the filters nearest to the geometric median of their layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Allocation, ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Fpgm(ScoredBaseline):
    """Drop the filters nearest to the geometric median of their layer, because the other filters can replace them best.

    FPGM (He et al. 2019, arXiv 1811.00250). The score of a filter is the sum of its distances to all filters of its
    layer. Here it is divided by the mean score of the layer. As in the paper, all layers lose the same share of their
    channels by default.
    """

    name: Literal["fpgm"] = "fpgm"
    allocation: Allocation = "uniform"
    """How many channels each layer keeps: `uniform`, `global` or `best` (see `ScoredBaseline`)."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        import torch

        from emopms.network import filters_of, mean_by_gene

        found = []
        for each in filters_of(task.subnetwork):
            distances = torch.cdist(each.rows, each.rows).sum(dim=1).cpu().numpy()
            found.append((each.genes, distances / max(distances.mean(), 1e-12)))
        return mean_by_gene(task.genes, found)
