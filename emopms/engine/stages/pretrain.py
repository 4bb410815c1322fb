"""``pretrain``: train or adapt the dense network, and check it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from loguru import logger

from emopms.engine.context import fresh_network
from emopms.engine.measure import score
from emopms.engine.stage import Stage
from emopms.engine.training import Schedule, forget_checkpoint, sgd, train
from emopms.engine.weights import load_weights
from emopms.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from emopms.engine.context import Context
    from emopms.engine.store import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Pretrain(Stage):
    """Gives ``network`` (its state) and ``score`` on validation images."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        spec, splits = context.spec, context.splits
        network = fresh_network(spec, context.source)
        if spec.backbone.weights is not None:
            load_weights(network, context.folder.find(spec.backbone.weights, what="weights file"))
        network = context.device.place(network).eval()

        def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
            network.train()
            return F.cross_entropy(network(images), labels)

        def assess() -> str:
            measured = score(network.eval(), splits.validation, context.device)
            return f"validation accuracy {measured.accuracy:.1%}"

        train(
            network,
            sgd(network, spec.pretrain),
            loss,
            schedule=Schedule(spec.pretrain.epochs, spec.pretrain.batch_size),
            context=context,
            stage=self.name,
            out=out,
            assess=assess,
        )
        measured = score(network.eval(), splits.validation, context.device)
        logger.info("dense network: validation accuracy {:.2%}, loss {:.4f}", measured.accuracy, measured.loss)
        chance, images = 1 / context.classes, len(splits.validation)
        if measured.accuracy < chance + 3 * (chance * (1 - chance) / images) ** 0.5:
            raise RunError(
                f"The dense network is no better than guessing: {measured.accuracy:.1%} of {images} "
                f"validation images right, of {context.classes} classes.",
                remedy="Give `backbone.weights` that fit these data, or train longer: `pretrain: {epochs: …}`.",
            )
        out.save_tensors("network", network.state_dict())
        out.save_json("score", asdict(measured))
        forget_checkpoint(out)
