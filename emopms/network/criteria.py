"""Criteria: modules that compute the loss of a candidate's output features. A candidate is a pruned sub-network.

A criterion is called as ``criterion(features, reference, labels)`` and returns the mean loss over the images.
``features`` [N, …] are the output of a candidate, ``reference`` [N, …] is the output of the dense network at the same
place, and ``labels`` [N] are class numbers.
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


_SUFFICIENT_ELEMENTS = 2**21
"""Number of elements that is enough to estimate the distance between two batches of feature maps. More elements would
not make the estimate noticeably better."""
_CHUNK_ELEMENTS = 2**17
"""Number of elements of the chunks in which a tensor's squares are summed on the CPU. A chunk of this size fits into
the processor's cache."""


class ClassifierLoss(nn.Module):
    """Cross-entropy of class scores [N, classes]. It evaluates the last sub-network, which computes these scores."""

    def forward(self, scores: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels)


class LinearProbeLoss(nn.Module):
    """Cross-entropy of a linear classifier on features that are averaged over positions and standardised.

    Because the features are standardised, one learning rate suits features of any scale. The mean and variance are
    those of the features on which the classifier was trained. Therefore a candidate that shifts its features has a
    higher loss.

    Args:
        channels: Number of channels of the features.
        classes: Number of classes.
        channel_dim: The dimension of the features [N, …] that holds the channels.
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
    """Relative distance ‖g − f‖² / ‖f‖² of features g from the reference f, over the batch.

    For large feature maps, only every second row is used, because neighbouring rows are similar. ‖f‖² is computed once
    for each reference tensor. Therefore a reference tensor must not be changed in place.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lengths = WeakTensorKeyDictionary()

    def forward(self, features: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
        if reference not in self._lengths:
            self._lengths[reference] = _squares(_subsample(reference.detach()))
        return distance(_subsample(features), _subsample(reference), self._lengths[reference])


class TailLoss(nn.Module):
    """Cross-entropy of the class scores that the unpruned later sub-networks compute from the features of one
    sub-network.

    The parameters of the later sub-networks are not part of this module's state dict.
    """

    def __init__(self, tail: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._tail = (tail,)  # in a tuple, so that PyTorch does not register a module as a child

    def forward(self, features: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self._tail[0](features), labels)


def _subsample(maps: Tensor) -> Tensor:
    """Return every second row of large feature maps [N, C, H, W]. Other tensors are returned unchanged."""
    return maps[:, :, ::2] if maps.dim() == 4 and maps.numel() >= 2 * _SUFFICIENT_ELEMENTS else maps


def distance(features: Tensor, reference: Tensor, length: Tensor | None = None) -> Tensor:
    """Return ‖g − f‖² / ‖f‖² of features g from a reference f.

    Args:
        features: The features g [N, …].
        reference: The reference f [N, …].
        length: ‖f‖², if the caller knows it. Otherwise it is computed.
    """
    length = _squares(reference) if length is None else length
    return _squares(features, reference) / length.clamp_min(1e-12)


def _squares(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Return ‖x‖², or ‖x − y‖², computed in fp32."""
    # The chunks fit into the processor's cache. Copies of all features at once would take longer than a convolution.
    size = max(1, _CHUNK_ELEMENTS // x[0].numel()) if x.device.type == "cpu" else len(x)
    pieces: Iterable[Tensor] = torch.split(x, size)
    if y is not None:
        pieces = (own - other for own, other in zip(pieces, torch.split(y, size), strict=True))
    return torch.stack([piece.float().square().sum() for piece in pieces]).sum()
