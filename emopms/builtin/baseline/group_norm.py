"""The baseline ``group_norm``: the group norm of DepGraph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class GroupNorm(ScoredBaseline):
    """Keep the channels for which the norm of all parameters that would be removed with the channel is largest.

    The group norm of DepGraph (Fang et al. 2023, arXiv 2301.12900), but without its sparse training. The parameters are
    those that compute the channel and those of later layers that read it. The squared norm in each parameter tensor is
    divided by the mean over the channels of this tensor.
    """

    name: Literal["group_norm"] = "group_norm"

    def scores(self, task: PruningTask) -> NDArray[Any]:
        import numpy as np

        from emopms.network import mean_by_gene

        found = []
        for name, parameter in task.subnetwork.module.named_parameters():
            squares = parameter.detach().float().square()
            for dim, genes in task.subnetwork.channels.dims.get(name, {}).items():
                own = squares.movedim(dim, 0).reshape(squares.shape[dim], -1).sum(dim=1).cpu().numpy()
                found.append((genes, own / max(own.mean(), 1e-12)))
        return np.sqrt(mean_by_gene(task.genes, found))
