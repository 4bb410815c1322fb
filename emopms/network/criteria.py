"""What features are judged with: modules called as ``judge(features, reference, labels)`` → mean loss.

Features are a candidate's [N, …], the reference is what the dense network makes at the same place [N, …].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor


_ENOUGH = 2**21
"""Numbers of a batch of maps that tell how far apart two are as well as more would."""
_CACHED = 2**17
"""Numbers of a piece on the CPU."""


class ClassifierLoss(nn.Module):
    """Cross-entropy of the network's own class scores [N, classes]: the judge behind the last sub-network."""

    def forward(self, scores: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels)


class LinearProbeLoss(nn.Module):
    """Average over positions, standardise, classify linearly.

    Standardising makes one learning rate fit features of any scale. It uses the statistics of the features the
    probe was trained on, so a candidate that shifts its features pays for it.

    Args:
        channels: How many the features have.
        channel_dim: Which dimension of the features [N, …] holds them.
    """

    def __init__(self, channels: int, classes: int, channel_dim: int = 1) -> None:
        super().__init__()
        self._channel_dim = channel_dim
        self.norm = nn.BatchNorm1d(channels, affine=False)
        self.linear = nn.Linear(channels, classes)

    def forward(self, features: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
        pooled = features.movedim(self._channel_dim, 1).flatten(2).mean(dim=2) if features.dim() > 2 else features
        return F.cross_entropy(self.linear(self.norm(pooled)), labels)


class FeatureDistance(nn.Module):
    """‖g − f‖² / ‖f‖² over the batch, of large maps over every second row: neighbours are much alike.

    What ‖f‖² is of a tensor is found out once: it must not be changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lengths = WeakTensorKeyDictionary()

    def forward(self, features: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
        if reference not in self._lengths:
            self._lengths[reference] = _squares(_enough(reference.detach()))
        return distance(_enough(features), _enough(reference), self._lengths[reference])


class TailLoss(nn.Module):
    """The dense rest of the network; held, not owned: it is no part of the judge's state."""

    def __init__(self, tail: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._tail = (tail,)  # in a tuple, so that a module is not registered as a child

    def forward(self, features: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self._tail[0](features), labels)


def _enough(maps: Tensor) -> Tensor:
    return maps[:, :, ::2] if maps.dim() == 4 and maps.numel() >= 2 * _ENOUGH else maps


def distance(features: Tensor, reference: Tensor, length: Tensor | None = None) -> Tensor:
    """‖g − f‖² / ‖f‖² of features g from a reference f.

    Args:
        length: ‖f‖², where it is known.
    """
    length = _squares(reference) if length is None else length
    return _squares(features, reference) / length.clamp_min(1e-12)


def _squares(x: Tensor, y: Tensor | None = None) -> Tensor:
    """‖x‖² or ‖x − y‖², in fp32."""
    # By pieces that stay in the cache: copies of all features would take longer than a convolution.
    size = max(1, _CACHED // x[0].numel()) if x.device.type == "cpu" else len(x)
    pieces: Iterable[Tensor] = torch.split(x, size)
    if y is not None:
        pieces = (own - other for own, other in zip(pieces, torch.split(y, size), strict=True))
    return torch.stack([piece.float().square().sum() for piece in pieces]).sum()
