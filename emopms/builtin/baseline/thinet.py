"""The baseline ``thinet``: the pruning method ThiNet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import ScoredBaseline
from emopms.builtin.baseline._contributions import contributions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class ThiNet(ScoredBaseline):
    """Remove one channel after another, always the one whose removal changes the outputs of the next layer least.

    ThiNet (Luo et al. 2017, arXiv 1707.06342). An output value of the next layer is a sum over its input channels. The
    error of a set of removed channels is the sum of their terms, squared and added up over random output values. The
    score of a channel is the error after its removal, as a share of the error without any channel. The paper also
    rescales the remaining channels. This is left out, because all baselines leave the kept weights unchanged. If the
    next layer is not a linear layer or a convolution without groups, channels are scored by the norms of their filters.
    """

    name: Literal["thinet"] = "thinet"
    images: Annotated[int, Field(ge=1)] = 64
    """Number of calibration images that are used."""
    places: Annotated[int, Field(ge=1)] = 10
    """Number of random positions in each image at which an output value of the next layer is taken."""

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
    """Remove C channels one after another, and return for each the error [C] after its removal, as a share of the error
    without any channel. The inner products of the channels' contributions [C, C] are given."""
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
