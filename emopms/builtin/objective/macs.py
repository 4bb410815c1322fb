"""The objective ``macs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import Cost, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Macs(Cost):
    """MACs (multiply–accumulates) that the convolutions and linear layers of a candidate need for one image."""

    name: Literal["macs"] = "macs"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        return task.subnetwork.costs.macs(genomes).astype(float)
