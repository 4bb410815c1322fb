"""The component ``new_selector`` of the slot ``selector``: a loss of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat

from emopms.api import Selector, Site

if TYPE_CHECKING:
    from torch import Tensor, nn


class NewSelector(Selector):
    """Cosine distance between the features of a candidate and of the dense network, times a scale."""

    name: Literal["new_selector"] = "new_selector"
    scale: PositiveFloat = 1.0
    """Factor that the distance is multiplied by."""

    def criterion(self, site: Site) -> nn.Module:
        import torch.nn.functional as F
        from torch import nn

        scale = self.scale

        class Criterion(nn.Module):
            # For a criterion with trained parameters, derive the selector from TrainedSelector.
            def forward(self, features: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
                return scale * (1 - F.cosine_similarity(features.flatten(1), reference.flatten(1))).mean()

        return Criterion()
