"""The component ``new_constraint`` of the slot ``constraint``: training before the search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat

from emopms.api import ChainStep, ConstraintTraining

if TYPE_CHECKING:
    from torch import Tensor


class NewConstraint(ConstraintTraining):
    """Train each sub-network to give the features of the dense network, both dense and randomly pruned."""

    name: Literal["new_constraint"] = "new_constraint"
    pruned: NonNegativeFloat = 0.3
    """Factor of the loss of the pruned forward pass. The loss of the dense forward pass has the factor 1."""

    def loss(self, step: ChainStep) -> Tensor:
        import torch
        import torch.nn.functional as F

        total = torch.zeros((), device=step.labels.device)
        for index, sub in enumerate(step.subnetworks):
            received, expected = step.references[index], step.references[index + 1]
            total = total + F.smooth_l1_loss(sub.forward(received), expected)
            total = total + self.pruned * F.smooth_l1_loss(sub.forward(received, step.draw(index)), expected)
        return total
