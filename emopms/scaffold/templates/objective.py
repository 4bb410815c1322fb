"""The objective ``new_objective``."""

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
    """Above 1, wide sub-networks cost more than their channels alone."""

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        # A quality, which is no cost, would derive from Objective and look at what a candidate makes of
        # task.inputs: `emopms.network.inference.evaluator.Evaluator(task.subnetwork)(inputs, genome)`.
        cost: NDArray[Any] = genomes.sum(axis=1).astype(float) ** self.power
        return cost
