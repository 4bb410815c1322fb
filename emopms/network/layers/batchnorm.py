"""Re-estimation of batch-norm statistics, which pruned networks need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


def use_batch_statistics(network: nn.Module) -> None:
    """Make every batch norm normalise with the statistics of its input, in eval mode too.

    With the dense network's statistics, a candidate would look worse than it is; those of the batch cost next to
    nothing. The module is changed in place, and can only be evaluated from then on.
    """
    for module in _batch_norms(network):
        module.track_running_stats = False
        module.running_mean = module.running_var = module.num_batches_tracked = None


@torch.no_grad()
def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Re-estimate running statistics as the plain average over the batches, and leave the network in eval mode.

    Only batch norms are in training mode meanwhile; dropout stays off.

    Args:
        network: The network, which is changed in place.
        batches: Batches of inputs [N, …].
    """
    norms = _batch_norms(network)
    momenta = [module.momentum for module in norms]
    network.eval()
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # PyTorch's cumulative average
        module.train()
    for inputs in batches:
        network(inputs)
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
    network.eval()


def _batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
