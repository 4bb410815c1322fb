"""The baseline ``hrank``: the pruning method HRank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class HRank(ScoredBaseline):
    """Keep the channels whose feature maps have the highest matrix rank.

    HRank (Lin et al. 2020, arXiv 2002.10179). The score of a channel is the mean rank of its feature map [H, W] over
    some images. Here it is divided by the largest rank that a map of this size can have. A few images are enough.
    """

    name: Literal["hrank"] = "hrank"
    images: Annotated[int, Field(ge=1)] = 64
    """Number of calibration images whose feature maps are used."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        import torch

        from emopms.network import feature_maps, filters_of, mean_by_gene

        genes, found = {each.layer: each.genes for each in filters_of(task.subnetwork)}, []
        for maps in feature_maps(task.subnetwork, task.inputs[: self.images]):
            for layer, features in maps.items():
                matrices = features.float() if features.dim() == 4 else features.float().flatten(2)[:, :, None]
                ranks = torch.linalg.matrix_rank(matrices).float() / min(matrices.shape[2:])
                found.append((genes[layer], ranks.mean(dim=0).cpu().numpy()))
        return mean_by_gene(task.genes, found)
