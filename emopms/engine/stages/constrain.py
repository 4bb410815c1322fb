"""``constrain``: cross-network constraint training (EMO-PMS, arXiv 2303.16212)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from loguru import logger

from emopms.api import ChainStep, ConstraintTraining
from emopms.engine.search.criteria import make_criteria
from emopms.engine.session.scoring import BATCH, require_knowledge, score
from emopms.engine.session.training import train
from emopms.engine.stages.base import Stage
from emopms.engine.support.component_calls import guarded_call, validate_array
from emopms.engine.support.seeds import numpy_rng
from emopms.network.layers.batchnorm import recalibrate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.session.training import Loss
    from emopms.engine.storage.store import Artefact, Workspace
    from emopms.network.partition.subnetwork import SubNetwork

_TOLERATED = 0.02
"""Loss of validation accuracy of the recomposed dense network above which the user is warned."""
_MASKS = 256
"""Random masks drawn for each sub-network before the training; steps pick from them."""


@dataclass(frozen=True, kw_only=True)
class Constrain(Stage):
    """Gives ``network``, the state of the recomposed dense network, and its ``score`` on validation images."""

    version: ClassVar[int] = 4

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        constraint = context.spec.constraint
        network = context.network(inputs["pretrain"].tensors("network"))
        if isinstance(constraint, ConstraintTraining):
            self._train(constraint, context, network, inputs, out)
            recalibrate(network, (images for images, _ in context.image_sets.train.batches(BATCH)))
        measured = score(network, context.image_sets.validation, context.device)
        lost = inputs["pretrain"].json("score")["accuracy"] - measured.accuracy
        logger.log(
            "WARNING" if lost > _TOLERATED else "INFO",
            "recomposed dense network: validation {} {:.2%}, {:.2f} points below the dense network's",
            context.quality,
            measured.accuracy,
            100 * lost,
        )
        require_knowledge(
            measured,
            classes=context.classes,
            images=len(context.image_sets.validation),
            what="The recomposed dense network, after constraint training,",
            remedy="Lower `lr` of the constraint, train it longer, or use `constraint: none`.",
        )
        out.save_tensors("network", network.state_dict())
        out.save_json("score", asdict(measured))

    def _train(
        self,
        constraint: ConstraintTraining,
        context: Context,
        network: nn.Module,
        inputs: Mapping[str, Artefact],
        out: Workspace,
    ) -> None:
        teacher = context.network(inputs["pretrain"].tensors("network")).requires_grad_(False)
        teachers = context.divide(teacher).parts
        criteria = make_criteria(context, teachers, state=inputs["selectors"].tensors("judges"), differentiable=True)
        seen, _ = next(context.image_sets.train.batches(BATCH))
        train(
            network,
            torch.optim.SGD(network.parameters(), lr=constraint.lr, momentum=0.9, nesterov=True),
            chain_loss(constraint, context, network, teachers, criteria, seen),
            schedule=constraint,
            context=context,
            stage=self.name,
            out=out,
        )


def chain_loss(
    constraint: ConstraintTraining,
    context: Context,
    network: nn.Module,
    teachers: Sequence[SubNetwork],
    criteria: nn.ModuleList,
    seen: Tensor,
) -> Loss:
    """The constraint's loss of the sub-networks of ``network``, which are in training.

    Args:
        teachers: The sub-networks of the frozen dense network.
        judges: Frozen, one a sub-network.
        seen: Images [N, C, H, W] by whose features masks are drawn.
    """
    subnetworks = context.divide(network).parts
    masks = _masks(context, teachers, seen)

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        for sub in subnetworks:
            sub.module.train()
        references = [images]
        with torch.no_grad():
            for sub in teachers:
                references.append(sub.forward(references[-1]))
        step = ChainStep(
            references=references,
            labels=labels,
            subnetworks=subnetworks,
            criteria=list(criteria),
            draw=lambda index: masks[index][int(torch.randint(_MASKS, (), generator=rng))],
        )
        with guarded_call(constraint, "give a loss"):
            return constraint.loss(step)

    return loss


def _masks(context: Context, subnetworks: Sequence[SubNetwork], images: Tensor) -> list[NDArray[np.bool_]]:
    """For each sub-network what the search may begin with."""
    masks, features = [], images
    for sub in subnetworks:
        rng = numpy_rng(context.spec.seed, "constrain", "masks", sub.index)
        coding = context.coding(sub)
        with guarded_call(context.spec.sampling, "sample candidates"):
            drawn = context.spec.sampling.sample(sub, features, _MASKS, rng)
            validate_array(drawn, "booleans", _MASKS, sub.channels.genes)
        masks.append(coding.decode(coding.encode(drawn)))
        with torch.no_grad(), context.device.autocast():
            features = sub.forward(features)
    return masks
