"""The component ``new_baseline`` of the slot ``baseline``: a pruning method that the search is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class NewBaseline(ScoredBaseline):
    """Keep the filters whose weights have the largest p-norms. Each norm is divided by the mean norm of its layer."""

    name: Literal["new_baseline"] = "new_baseline"
    power: Annotated[float, Field(gt=0, le=8)] = 2.0
    """The exponent p of the p-norm."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        from emopms.network import filters_of, mean_by_gene

        found = []
        for each in filters_of(task.subnetwork):
            norms = each.rows.norm(p=self.power, dim=1).cpu().numpy()
            found.append((each.genes, norms / max(norms.mean(), 1e-12)))
        return mean_by_gene(task.genes, found)
