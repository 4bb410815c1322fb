"""Batch-norm statistics of pruned networks: re-estimated, never the dense network's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


def use_batch_statistics(network: nn.Module) -> None:
    """Make every batch norm normalise with the statistics of the batch at hand, in eval mode too.

    Judging a candidate with the dense network's statistics misjudges it; those of the batch cost next to
    nothing. In place, for modules that are only evaluated from here on.
    """
    for module in _batch_norms(network):
        module.track_running_stats = False
        module.running_mean = module.running_var = module.num_batches_tracked = None


@torch.no_grad()
def recalibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Estimate running statistics anew, as the plain average over the batches, and leave the network in eval.

    Only batch norms are in training mode meanwhile: dropout stays off.
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
