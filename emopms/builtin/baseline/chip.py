"""The baseline ``chip``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.api import PruningTask


class Chip(ScoredBaseline):
    """Keep the channels whose feature maps the other channels of their layer replace least.

    CHIP (Sui et al. 2021, arXiv 2110.13981): the channel independence of a channel is the fall of the nuclear norm
    of its layer's feature maps [channels, H·W] when its row becomes zero, averaged over some images. Here it is
    divided by the nuclear norm per channel, so that layers compare.
    """

    name: Literal["chip"] = "chip"
    images: Annotated[int, Field(ge=1)] = 32
    """Calibration images whose maps count."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        from emopms.network import feature_maps, filters_of, mean_by_gene

        genes, found = {each.layer: each.genes for each in filters_of(task.subnetwork)}, []
        for maps in feature_maps(task.subnetwork, task.inputs[: self.images]):
            for layer, features in maps.items():
                rows = features.flatten(2).double()
                found += [(genes[layer], _independence(gram)) for gram in rows @ rows.mT]
        return mean_by_gene(task.genes, found)


def _independence(gram: Tensor) -> NDArray[Any]:
    """Return the independence of each channel [C] from the inner products of the rows of their maps [C, C]."""
    import torch

    channels = len(gram)
    masked = gram.expand(channels, channels, channels).clone()
    index = torch.arange(channels)
    masked[index, index, :] = 0
    masked[index, :, index] = 0
    norms = [torch.linalg.eigvalsh(each).clamp_min(0).sqrt().sum(dim=-1) for each in (gram, masked)]
    falls: NDArray[Any] = ((norms[0] - norms[1]) / (norms[0] / channels).clamp_min(1e-12)).cpu().numpy()
    return falls
