"""``finetune/<target>``: choose a scheme, cut it out of the network for real, recalibrate, fine-tune."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from loguru import logger

from emopms.engine.session.context import example_of
from emopms.engine.session.scoring import BATCH, score
from emopms.engine.session.training import sgd, train
from emopms.engine.stages.base import Stage
from emopms.errors import RunError
from emopms.network.channels.cost import count
from emopms.network.channels.surgery import pruned_state
from emopms.network.layers.batchnorm import recalibrate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.session.training import Loss
    from emopms.engine.storage.store import Artefact, Workspace
    from emopms.spec import Finetune as Settings
    from emopms.spec import Target


@dataclass(frozen=True, kw_only=True)
class Finetune(Stage):
    """Gives ``recalibrated`` and ``network`` (states before and after fine-tuning) and ``choice``."""

    target: Target

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        schemes = inputs["measure"].arrays("schemes")
        dense_accuracy = inputs["pretrain"].json("score")["accuracy"]
        # For all targets: a miss found only later would cost the fine-tuning before it.
        chosen = {target.slug: choose(target, schemes, dense_accuracy) for target in context.spec.targets}
        scheme = chosen[self.target.slug]
        network = self._cut(context, inputs, schemes, scheme)
        recalibrate(network, (images for images, _ in context.image_sets.train.batches(BATCH)))
        before = score(network, context.image_sets.validation, context.device)
        out.save_tensors("recalibrated", network.state_dict())
        self._train(context, network, inputs, out)
        after = score(network, context.image_sets.validation, context.device)
        logger.info(
            "{}: scheme {}, {:.1%} of the MACs; validation {} {:.2%} before and {:.2%} after fine-tuning",
            self.target.slug,
            scheme,
            schemes["macs"][scheme] / schemes["macs"][-1],
            context.quality,
            before.accuracy,
            after.accuracy,
        )
        out.save_tensors("network", network.state_dict())
        out.save_json("choice", {"scheme": scheme, "before": asdict(before), "after": asdict(after)})

    def _cut(
        self,
        context: Context,
        inputs: Mapping[str, Artefact],
        schemes: Mapping[str, NDArray[np.generic]],
        scheme: int,
    ) -> nn.Module:
        dense = context.constrained(inputs["constrain"])
        genome = np.asarray(schemes["genomes"][scheme], dtype=np.bool_)
        network = context.network(pruned_state(dense.network, [(dense.channels, genome)]))
        counted = count(network, context.device.images(example_of(context.source)))
        predicted = int(schemes["macs"][scheme])
        if counted.macs != predicted:
            raise RunError(
                f"The pruned network has {counted.macs} MACs, predicted were {predicted}: "
                "some operation of the backbone is not counted alike.",
                remedy="Report the backbone; its cost model is wrong.",
            )
        return network

    def _train(self, context: Context, network: nn.Module, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        settings = context.spec.finetune
        teacher = context.network(inputs["pretrain"].tensors("network")).requires_grad_(False)

        def assess() -> str:
            measured = score(network.eval(), context.image_sets.validation, context.device)
            return f"validation {context.quality} {measured.accuracy:.1%}"

        train(
            network,
            sgd(network, settings),
            distillation_loss(settings, network, teacher),
            schedule=settings,
            context=context,
            stage=self.name,
            out=out,
            assess=assess,
        )
        network.eval()


def distillation_loss(settings: Settings, network: nn.Module, teacher: nn.Module) -> Loss:
    """Cross-entropy with the labels, and with ``distill`` the distance from the frozen teacher's class scores."""

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        network.train()
        scores = network(images)
        own = F.cross_entropy(scores, labels)
        if not settings.distill:
            return own
        with torch.no_grad():
            soft = F.softmax(teacher(images).float() / settings.temperature, dim=1)
        guess = F.log_softmax(scores.float() / settings.temperature, dim=1)
        distance = F.kl_div(guess, soft, reduction="batchmean") * settings.temperature**2
        return settings.alpha * distance + (1 - settings.alpha) * own

    return loss


def choose(target: Target, schemes: Mapping[str, NDArray[np.generic]], dense_accuracy: float) -> int:
    """The measured scheme for a target: the lowest loss within its cost bounds, or the fewest MACs within its
    accuracy bound.

    Args:
        schemes: What was measured; the dense scheme comes last and is the measure of costs.
        dense_accuracy: Validation accuracy of the dense network as pretrained, the measure of accuracy.

    Raises:
        RunError: No measured scheme is within the bounds.
    """
    measured = {name: np.asarray(schemes[name], dtype=np.float64) for name in ("loss", "accuracy", "macs", "params")}
    allowed = np.ones(len(measured["loss"]), dtype=np.bool_)
    for cost in ("macs", "params"):
        bound = getattr(target, cost)
        if bound is not None:
            allowed &= measured[cost] <= bound * measured[cost][-1]
    if target.accuracy_drop is not None:
        allowed &= measured["accuracy"] >= dense_accuracy - target.accuracy_drop
    if not allowed.any():
        least = {cost: f"{measured[cost].min() / measured[cost][-1]:.3f}" for cost in ("macs", "params")}
        raise RunError(
            f"No scheme that the search found meets the target {target.slug}; "
            f"the smallest has {least['macs']} of the MACs and {least['params']} of the parameters, the most accurate "
            f"{measured['accuracy'].max():.2%} on validation images (the dense network {dense_accuracy:.2%}).",
            remedy="Loosen the target, search longer (`algorithm: {generations: …}`), or move the split points.",
        )
    within = np.flatnonzero(allowed)
    only_accuracy = target.macs is None and target.params is None
    return int(within[measured["macs" if only_accuracy else "loss"][within].argmin()])
