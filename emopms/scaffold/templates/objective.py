"""The component ``new_objective`` of the slot ``objective``: a cost to minimise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveFloat

from emopms.api import Cost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import Task


class NewObjective(Cost):
    """Number of channels kept, raised to a power."""

    name: Literal["new_objective"] = "new_objective"
    power: PositiveFloat = 1.0
    """Exponent of the number of kept channels. With a value above 1, the cost grows faster than the number of
    channels."""

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        # An objective of quality derives from Objective instead. It evaluates a candidate's outputs for task.inputs:
        # `task.evaluator().run(inputs, genome)` for each batch of `task.batches(512)`.
        cost: NDArray[Any] = genomes.sum(axis=1).astype(float) ** self.power
        return cost
