"""``selectors``: train one small classifier for each sub-network, whose loss evaluates the features of candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from emopms.api import TrainedSelector
from emopms.engine.results.networks import CriteriaState, DenseNetwork
from emopms.engine.search.criteria import make_criteria
from emopms.engine.stages.base import Stage
from emopms.engine.training.loop import train

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.engine.training.loop import Loss
    from emopms.network.partition.subnetwork import SubNetwork


@dataclass(frozen=True, kw_only=True)
class Selectors(Stage):
    """Trains one selector criterion for each sub-network on features of the frozen dense network.

    Its result is a `CriteriaState`.
    """

    version: ClassVar[int] = 2

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Train the selector criteria, if the selector has parameters to train and the network has split points."""
        subnetworks = context.divide(context.network(DenseNetwork.load(inputs["pretrain"]).state)).parts
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
        CriteriaState(criteria.state_dict()).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to train the selector criteria; 0 if they are not trained."""
        selector = context.spec.selector
        if not isinstance(selector, TrainedSelector) or len(context.split_points) == 0:
            return 0.0

        def prepare() -> tuple[torch.optim.Optimizer, Loss]:
            subnetworks = context.divide(context.random_network()).parts
            criteria = make_criteria(context, subnetworks, differentiable=True)
            return torch.optim.Adam(criteria.parameters(), lr=selector.lr), criteria_loss(subnetworks, criteria)

        return timer.training(selector, prepare)


def criteria_loss(subnetworks: Sequence[SubNetwork], criteria: nn.ModuleList) -> Loss:
    """Return the sum of the losses of all criteria on features of the dense network.

    The last criterion is left out: it is the cross-entropy of the network's own class scores, and has no parameters.

    Args:
        subnetworks: The sub-networks of the frozen dense network.
        criteria: One selector criterion for each sub-network.
    """

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
