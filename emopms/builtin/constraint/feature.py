"""Constraint training on features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import ChainStep, ConstraintTraining, Weight

if TYPE_CHECKING:
    from torch import Tensor


class Feature(ConstraintTraining):
    """Train each sub-network to cope with pruned neighbours and to keep handing on what the next one expects.

    With f_0 = x and f_i = N_i(f_{i−1}) from the dense network, the i-th sub-network minimises
    ``CE(S_i(N_i(z)), y) + weight · ‖N_i(z) − f_i‖² / ‖f_i‖²`` twice: unpruned on its dense input z = f_{i−1}, which
    keeps the recomposed dense network accurate, and under a random mask on the output z of its predecessor under a
    random mask. The idea is the paper's (arXiv 2303.16212), the formula ours.
    """

    name: Literal["feature"] = "feature"
    weight: Weight = 1.0
    """λ, the weight of the feature distance."""
    dense: Weight = 3.0
    """Weight of the unpruned pass against the pruned one: more keeps the dense network, less prepares for pruning."""

    def loss(self, step: ChainStep) -> Tensor:
        import torch

        from emopms.network.criteria import distance

        total = torch.zeros((), device=step.labels.device)
        received = step.references[0]
        for index, sub in enumerate(step.subnetworks):
            dense_input, expected = step.references[index], step.references[index + 1]
            pruned = sub.forward(received, step.draw(index))
            for share, output in ((self.dense, sub.forward(dense_input)), (1.0, pruned)):
                total = total + share * step.criteria[index](output, expected, step.labels)
                total = total + share * self.weight * distance(output, expected)
            received = pruned.detach()  # each sub-network learns from its own loss alone
        return total
