"""The constraint ``feature``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import ChainStep, ConstraintTraining, Weight

if TYPE_CHECKING:
    from torch import Tensor


class Feature(ConstraintTraining):
    """Train each sub-network to keep its output features, also when earlier sub-networks are pruned.

    N_i is the i-th sub-network, S_i is its selector criterion, x are the images, and y are the labels. The dense
    network gives the features f_0 = x and f_i = N_i(f_{i−1}). The loss of the i-th sub-network is
    ``S_i(N_i(z), f_i, y) + weight · ‖N_i(z) − f_i‖² / ‖f_i‖²``, summed over two forward passes. The unpruned pass has
    the input z = f_{i−1}; it keeps the dense network accurate. In the pruned pass, N_i is pruned by a random genome.
    The input z is then the output of the preceding sub-network, which is pruned by a random genome too. The idea is
    from the paper (arXiv 2303.16212). The formula is our own.
    """

    name: Literal["feature"] = "feature"
    weight: Weight = 1.0
    """Weight of the feature distance ‖N_i(z) − f_i‖² / ‖f_i‖² in the loss of a sub-network."""
    dense: Weight = 3.0
    """Weight of the loss of the unpruned forward pass, relative to the loss of the pruned forward pass. A large value
    preserves the dense network. A small value prepares better for pruning."""

    def loss(self, step: ChainStep) -> Tensor:
        import torch

        from emopms.network import distance

        total = torch.zeros((), device=step.labels.device)
        received = step.references[0]
        for index, sub in enumerate(step.subnetworks):
            dense_input, expected = step.references[index], step.references[index + 1]
            pruned = sub.forward(received, step.draw(index))
            for share, output in ((self.dense, sub.forward(dense_input)), (1.0, pruned)):
                total = total + share * step.criteria[index](output, expected, step.labels)
                total = total + share * self.weight * distance(output, expected)
            received = pruned.detach()  # each sub-network is trained only by its own loss
        return total
