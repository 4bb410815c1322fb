"""The baseline ``thinet``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import ScoredBaseline
from emopms.builtin.baseline._contributions import contributions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class ThiNet(ScoredBaseline):
    """Drop the channels without which the next layer's outputs change least, one after another.

    ThiNet (Luo et al. 2017, arXiv 1707.06342): at random places of the next layer's output, the value is a sum over its
    input channels. Channels are removed greedily so that the sum of what is removed stays smallest in the squares. The
    score of a channel is that error when it goes, as a share of all. The paper's rescaling of the remaining channels is
    left out, as surgery is the same for all baselines. Groups that no dense layer reads score by their filters' norms.
    """

    name: Literal["thinet"] = "thinet"
    images: Annotated[int, Field(ge=1)] = 64
    """Calibration images that are used."""
    places: Annotated[int, Field(ge=1)] = 10
    """Random places of each image at which the next layer's output is compared."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        import numpy as np

        from emopms.network import filters_of, mean_by_gene

        norms = [(each.genes, each.rows.norm(dim=1).cpu().numpy()) for each in filters_of(task.subnetwork)]
        scores = mean_by_gene(task.genes, [(genes, own / max(own.max(), 1e-12)) for genes, own in norms])
        products = contributions(task, images=self.images, places=self.places)
        for group in task.subnetwork.channels.groups:
            own = products[group.genes, group.genes]
            if np.trace(own) > 0:
                scores[group.genes] = _errors_of_removal(own)
        return scores


def _errors_of_removal(products: NDArray[Any]) -> NDArray[Any]:
    """Return the share of the error [C] when each channel goes, from inner products of contributions [C, C]."""
    import numpy as np

    errors, left, removed = np.empty(len(products)), list(range(len(products))), np.zeros(len(products))
    total, error = max(products.sum(), 1e-300), 0.0
    for _ in range(len(products)):
        after = error + 2 * (products[left] @ removed) + products[left, left]
        best = int(after.argmin())
        # Errors need not grow: a channel that cancels earlier ones still goes after them.
        gone = left.pop(best)
        errors[gone] = max(after[best] / total, errors[removed > 0].max(initial=0.0) * (1 + 1e-9))
        removed[gone], error = 1, float(after[best])
    return errors
