"""The selector ``new_selector``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat

from emopms.api import Selector, Site

if TYPE_CHECKING:
    from torch import Tensor, nn


class NewSelector(Selector):
    """How far the direction of the features is from that of the dense network's: 1 − cosine, times a scale."""

    name: Literal["new_selector"] = "new_selector"
    scale: PositiveFloat = 1.0
    """What the distance is multiplied by."""

    def criterion(self, site: Site) -> nn.Module:
        import torch.nn.functional as F
        from torch import nn

        scale = self.scale

        class Criterion(nn.Module):
            # A judge with parameters to learn comes from a TrainedSelector.
            def forward(self, features: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
                return scale * (1 - F.cosine_similarity(features.flatten(1), reference.flatten(1))).mean()

        return Criterion()
