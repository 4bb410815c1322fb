"""Re-estimates the statistics of batch norms. Pruned networks need this, because pruning changes the features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


def use_batch_statistics(network: nn.Module) -> None:
    """Make every batch norm normalise with the mean and variance of the current batch, in eval mode too.

    With the dense network's statistics, a candidate would look worse than it is. Statistics of the batch take almost no
    time. The network is changed in place: it loses its running statistics, and must not be trained afterwards.
    """
    for module in _batch_norms(network):
        module.track_running_stats = False
        module.running_mean = module.running_var = module.num_batches_tracked = None


@torch.no_grad()
def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Re-estimate running statistics as the plain average over the batches, and leave the network in eval mode.

    During the re-estimation, only batch norms are in training mode. Dropout stays off.

    Args:
        network: The network. It is changed in place.
        batches: Batches of inputs [N, …].
    """
    norms = _batch_norms(network)
    momenta = [module.momentum for module in norms]
    network.eval()
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # with None, PyTorch computes the plain average over all batches
        module.train()
    for inputs in batches:
        network(inputs)
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
    network.eval()


def _batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
