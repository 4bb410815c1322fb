"""``selectors``: train the judges of all sites on the frozen features of the dense network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from emopms.api import TrainedSelector
from emopms.engine.search.criteria import make_criteria
from emopms.engine.session.training import train
from emopms.engine.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.session.training import Loss
    from emopms.engine.storage.store import Artefact, Workspace
    from emopms.network.partition.subnetwork import SubNetwork


@dataclass(frozen=True, kw_only=True)
class Selectors(Stage):
    """Gives ``judges``: the state of one judge a sub-network."""

    version: ClassVar[int] = 2

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        subnetworks = context.divide(context.network(inputs["pretrain"].tensors("network"))).parts
        criteria = make_criteria(context, subnetworks, differentiable=True)
        selector = context.spec.selector
        if isinstance(selector, TrainedSelector) and len(subnetworks) > 1:
            train(
                criteria,
                torch.optim.Adam(criteria.parameters(), lr=selector.lr),
                criteria_loss(subnetworks, criteria),
                schedule=selector,
                context=context,
                stage=self.name,
                out=out,
            )
        out.save_tensors("judges", criteria.state_dict())


def criteria_loss(subnetworks: Sequence[SubNetwork], criteria: nn.ModuleList) -> Loss:
    """The sum of what all judges but the last, which is not ours to train, say of the dense features."""

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        criteria.train()
        total = torch.zeros((), device=labels.device)
        features = images
        for sub, criterion in zip(subnetworks[:-1], criteria, strict=False):
            with torch.no_grad():
                features = sub.forward(features)
            total = total + criterion(features, features, labels)
        return total

    return loss
