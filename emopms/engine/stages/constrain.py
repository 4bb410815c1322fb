"""``constrain``: cross-network constraint training (EMO-PMS, arXiv 2303.16212)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from loguru import logger

from emopms.api import ChainStep, ConstraintTraining
from emopms.engine.results.networks import CriteriaState, DenseNetwork
from emopms.engine.search.criteria import make_criteria
from emopms.engine.session.knowledge import count_by_class, require_knowledge
from emopms.engine.session.scoring import BATCH, score
from emopms.engine.stages.base import Stage
from emopms.engine.support.component_calls import guarded_call, validate_array
from emopms.engine.support.seeds import numpy_rng
from emopms.engine.support.wording import compared
from emopms.engine.training.loop import train
from emopms.network.layers.batchnorm import recalibrate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.engine.training.loop import Loss
    from emopms.network.partition.subnetwork import SubNetwork

_TOLERATED_ACCURACY_LOSS = 0.02
"""Largest drop in accuracy on validation images, 0.02 for two percentage points, that constraint training may cause in
the dense network without a warning."""
_MASKS_PER_SUBNETWORK = 256
"""Number of random masks (genomes) that are drawn for each sub-network before the training. Each optimisation step
picks one of the masks."""


@dataclass(frozen=True, kw_only=True)
class Constrain(Stage):
    """Trains every sub-network on the features of pruned earlier sub-networks. Its result is a `DenseNetwork`."""

    version: ClassVar[int] = 4

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Train the sub-networks, recalibrate batch norm, and score the dense network on validation images.

        Raises:
            RunError: After the training, the dense network is no better than guessing.
        """
        constraint = context.spec.constraint
        pretrained = DenseNetwork.load(inputs["pretrain"])
        network = context.network(pretrained.state)
        if isinstance(constraint, ConstraintTraining):
            teacher = context.network(pretrained.state).requires_grad_(False)
            self._train(constraint, context, network, teacher, CriteriaState.load(inputs["selectors"]), out)
            recalibrate(network, (images for images, _ in context.image_sets.train.batches(BATCH)))
        measured = score(network, context.image_sets.validation, context.device)
        logger.log(
            "WARNING" if pretrained.score.accuracy - measured.accuracy > _TOLERATED_ACCURACY_LOSS else "INFO",
            "dense network {} constraint training: validation {} {:.2%}, {}",
            "after" if isinstance(constraint, ConstraintTraining) else "without",
            context.quality,
            measured.accuracy,
            compared(measured.accuracy, pretrained.score.accuracy, "the pretrained network"),
        )
        require_knowledge(
            count_by_class(network, context.image_sets.validation, context.classes),
            what="The dense network after constraint training",
            remedy="Lower `lr` of the constraint, train it longer, or use `constraint: none`.",
        )
        DenseNetwork(network.state_dict(), measured).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds of constraint training, recalibration of batch norm, and validation."""
        constraint = context.spec.constraint
        validation = timer.forward(context.spec.data.validated_on(context.source))
        if not isinstance(constraint, ConstraintTraining):
            return validation

        def prepare() -> tuple[torch.optim.Optimizer, Loss]:
            network = context.random_network()
            teachers = context.divide(context.random_network().requires_grad_(False)).parts
            criteria = make_criteria(context, teachers, differentiable=True).requires_grad_(False)
            seen, _ = next(timer.images(2).batches(2))
            loss = chain_loss(constraint, context, network, teachers, criteria, seen)
            return torch.optim.SGD(network.parameters(), lr=constraint.lr), loss

        return timer.training(constraint, prepare) + timer.forward(context.train_size) + validation

    def _train(
        self,
        constraint: ConstraintTraining,
        context: Context,
        network: nn.Module,
        teacher: nn.Module,
        trained: CriteriaState,
        out: Workspace,
    ) -> None:
        teachers = context.divide(teacher).parts
        criteria = make_criteria(context, teachers, state=trained.state, differentiable=True)
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
    """Return the loss of constraint training, which trains all sub-networks of ``network``.

    Args:
        constraint: Computes the loss of an optimisation step.
        context: The context of the run.
        network: The network that is trained.
        teachers: The sub-networks of the frozen dense network.
        criteria: Frozen selector criteria, one for each sub-network.
        seen: Images [N, C, H, W]. From their features, the spec's sampling component draws the masks (genomes) that
            prune the sub-networks.
    """
    subnetworks = context.divide(network).parts
    masks = _draw_masks(context, teachers, seen)

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
            draw=lambda index: masks[index][int(torch.randint(_MASKS_PER_SUBNETWORK, (), generator=rng))],
        )
        with guarded_call(constraint, "compute its loss"):
            return constraint.loss(step)

    return loss


def _draw_masks(context: Context, subnetworks: Sequence[SubNetwork], images: Tensor) -> list[NDArray[np.bool_]]:
    """Draw masks (genomes) [masks, genes] for each sub-network, by the sampling component that also draws the first
    generation of searches."""
    masks, features = [], images
    for sub in subnetworks:
        rng = numpy_rng(context.spec.seed, "constrain", "masks", sub.index)
        encoding = context.encoding(sub)
        with guarded_call(context.spec.sampling, "sample candidates"):
            drawn = context.spec.sampling.sample(sub, features, _MASKS_PER_SUBNETWORK, rng)
            validate_array(drawn, "booleans", _MASKS_PER_SUBNETWORK, sub.channels.genes)
        masks.append(encoding.decode(encoding.encode(drawn)))
        with torch.no_grad(), context.device.autocast():
            features = sub.forward(features)
    return masks
