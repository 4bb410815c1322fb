"""``pretrain``: train or adapt the dense network, and check it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from loguru import logger

from emopms.engine.session.context import given_network
from emopms.engine.session.scoring import require_knowledge, score
from emopms.engine.session.training import sgd, train
from emopms.engine.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.session.training import Loss
    from emopms.engine.storage.store import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Pretrain(Stage):
    """Gives ``network`` (its state) and ``score`` on validation images."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        spec, image_sets = context.spec, context.image_sets
        network = context.device.place(given_network(spec, context.source, context.folder)).eval()

        def assess() -> str:
            measured = score(network.eval(), image_sets.validation, context.device)
            return f"validation {context.quality} {measured.accuracy:.1%}"

        train(
            network,
            sgd(network, spec.pretrain),
            classification_loss(network),
            schedule=spec.pretrain,
            context=context,
            stage=self.name,
            out=out,
            assess=assess,
        )
        measured = score(network.eval(), image_sets.validation, context.device)
        logger.info(
            "dense network: validation {} {:.2%}, loss {:.4f}", context.quality, measured.accuracy, measured.loss
        )
        require_knowledge(
            measured,
            classes=context.classes,
            images=len(image_sets.validation),
            what="The dense network",
            remedy="Give `backbone.weights` that fit these data, or train longer: `pretrain: {epochs: …}`.",
        )
        out.save_tensors("network", network.state_dict())
        out.save_json("score", asdict(measured))


def classification_loss(network: nn.Module) -> Loss:
    """Cross-entropy with the labels."""

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        network.train()
        return F.cross_entropy(network(images), labels)

    return loss
