"""``selectors``: train the judges of all sites on the frozen features of the dense network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from emopms.api import TrainedSelector
from emopms.engine.judges import make_judges
from emopms.engine.stage import Stage
from emopms.engine.training import train

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from emopms.engine.context import Context
    from emopms.engine.store import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Selectors(Stage):
    """Gives ``judges``: the state of one judge a sub-network."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        subnetworks = context.divide(context.network(inputs["pretrain"].tensors("network")))
        judges = make_judges(context, subnetworks, differentiable=True)
        selector = context.spec.selector
        if isinstance(selector, TrainedSelector) and len(subnetworks) > 1:

            def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
                judges.train()
                total = torch.zeros((), device=labels.device)
                features = images
                for sub, judge in zip(subnetworks[:-1], judges, strict=False):  # the last one is not ours to train
                    with torch.no_grad():
                        features = sub.forward(features)
                    total = total + judge(features, features, labels)
                return total

            train(
                judges,
                torch.optim.Adam(judges.parameters(), lr=selector.lr),
                loss,
                schedule=selector,
                context=context,
                stage=self.name,
                out=out,
            )
        out.save_tensors("judges", judges.state_dict())
