"""The baseline ``bn_scale``: the pruning method Network Slimming."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Allocation, ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class BnScale(ScoredBaseline):
    """Keep the channels with the largest batch-norm scales, compared across all layers.

    Network Slimming (Liu et al. 2017, arXiv 1708.06519), but without its sparse training, because all baselines prune
    the same trained network. A channel without batch norm gets the mean score of the channels with batch norm.
    """

    name: Literal["bn_scale"] = "bn_scale"
    allocation: Allocation = "global"
    """How many channels each layer keeps: `uniform`, `global` or `best` (see `ScoredBaseline`)."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        from torch import nn

        from emopms.network import mean_by_gene

        found = []
        for path, module in task.subnetwork.module.named_modules():
            genes = task.subnetwork.channels.dims.get(f"{path}.weight", {}).get(0)
            if genes is not None and isinstance(module, nn.modules.batchnorm._BatchNorm):
                found.append((genes, module.weight.detach().abs().float().cpu().numpy()))
        return mean_by_gene(task.genes, found)
