"""The objective ``params``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Cost, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Params(Cost):
    """Number of parameters of a candidate."""

    name: Literal["params"] = "params"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        return task.subnetwork.costs.params(genomes).astype(float)
