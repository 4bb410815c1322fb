"""``pretrain``: train or adapt the dense network, and check it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from loguru import logger

from emopms.engine.results.networks import DenseNetwork
from emopms.engine.session.scoring import require_knowledge, score
from emopms.engine.session.training import sgd, train
from emopms.engine.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.session.training import Loss
    from emopms.engine.storage.store import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer


@dataclass(frozen=True, kw_only=True)
class Pretrain(Stage):
    """Trains the dense network. Its result is a `DenseNetwork`."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Train on training images and score on validation images.

        Raises:
            RunError: The network is no better than guessing.
        """
        spec, image_sets = context.spec, context.image_sets
        network = context.given_network()

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
        DenseNetwork(network.state_dict(), measured).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the seconds of the training and of validation after each epoch."""
        schedule = context.spec.pretrain
        validation = timer.forward(context.spec.data.validation)

        def prepare() -> tuple[torch.optim.Optimizer, Loss]:
            network = context.random_network()
            return sgd(network, schedule), classification_loss(network)

        return timer.training(schedule, prepare, after_epoch=validation) + validation


def classification_loss(network: nn.Module) -> Loss:
    """Return the cross-entropy with the labels."""

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        network.train()
        return F.cross_entropy(network(images), labels)

    return loss
