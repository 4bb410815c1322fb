"""The baseline ``eagle_eye``: the pruning method EagleEye."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Baseline
from emopms.builtin.baseline._widths import Widths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class EagleEye(Baseline):
    """Draw random widths of layers, and keep those with the lowest loss after batch norm is re-estimated.

    EagleEye (Li et al. 2020, arXiv 2007.02491). A width is the number of channels that a layer keeps. Within a layer,
    the filters with the largest L1 norms are kept, as in the paper. All candidates are as large as the bounds on the
    costs allow.
    """

    name: Literal["eagle_eye"] = "eagle_eye"
    candidates: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Number of pruned networks that are drawn at random and compared."""
    least: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Smallest share of its channels that a layer keeps, before the widths of all layers are scaled to meet the
    bounds."""

    def prune(self, task: PruningTask) -> NDArray[Any]:
        import numpy as np

        widths = Widths(task)
        genomes = np.stack([widths.genome(widths.draw(self.least)) for _ in range(self.candidates)])
        best: NDArray[Any] = genomes[task.losses(genomes).argmin()]
        return best
