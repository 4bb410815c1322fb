"""The judge behind the last sub-network: the network's own class scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class OwnClassifier(nn.Module):
    """Cross-entropy of class scores [N, classes]; called like every judge."""

    def forward(self, scores: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(scores, labels)
