"""``selectors``: train the judges of all sites on the frozen features of the dense network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from emopms.engine.judges import make_judges
from emopms.engine.stage import Stage
from emopms.engine.training import Schedule, forget_checkpoint, train

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from emopms.engine.context import Context
    from emopms.engine.store import Artefact, Workspace

_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Selectors(Stage):
    """Gives ``judges``: the state of one judge a sub-network."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        subnetworks = context.divide(context.network(inputs["pretrain"].tensors("network")))
        judges = make_judges(context, subnetworks)
        parameters = list(judges.parameters())
        if parameters:

            def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
                judges.train()
                total = torch.zeros((), device=labels.device)
                features = images
                for sub, judge in zip(subnetworks, judges, strict=True):
                    with torch.no_grad():
                        features = sub.forward(features)
                    if any(True for _ in judge.parameters()):
                        total = total + judge(features, features, labels)
                return total

            selector = context.spec.selector
            train(
                judges,
                torch.optim.Adam(parameters, lr=selector.lr),
                loss,
                schedule=Schedule(selector.epochs, _BATCH),
                context=context,
                stage=self.name,
                out=out,
            )
        out.save_tensors("judges", judges.state_dict())
        forget_checkpoint(out)
