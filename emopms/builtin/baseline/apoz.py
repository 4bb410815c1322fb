"""The baseline ``apoz``: the pruning method APoZ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Apoz(ScoredBaseline):
    """Drop the channels whose activations are zero most often.

    APoZ, the average percentage of zeros (Hu et al. 2016, arXiv 1607.03250). Zeros are counted after the activation
    function, on calibration images.
    """

    name: Literal["apoz"] = "apoz"

    def scores(self, task: PruningTask) -> NDArray[Any]:
        from emopms.network import feature_maps, filters_of, mean_by_gene

        genes, found = {each.layer: each.genes for each in filters_of(task.subnetwork)}, []
        for maps in feature_maps(task.subnetwork, task.inputs):
            for layer, features in maps.items():
                found.append((genes[layer], (features != 0).float().flatten(2).mean(dim=(0, 2)).cpu().numpy()))
        return mean_by_gene(task.genes, found)
