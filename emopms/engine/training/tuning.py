"""From a genome to a fine-tuned network: removal of channels, recalibration of batch norm or reconstruction of layers,
and fine-tuning with distillation.

Networks of searches and networks of baselines (other pruning methods) are made in this way, so that they can be
compared.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F

from emopms.engine.results.networks import FinetunedNetwork
from emopms.engine.session.scoring import BATCH, score
from emopms.engine.support.seeds import torch_rng
from emopms.engine.training.best_state import BestState
from emopms.engine.training.loop import sgd, train
from emopms.errors import RunError
from emopms.network.channels.surgery import pruned_state
from emopms.network.costs.cost_model import count
from emopms.network.layers.batchnorm import recalibrate
from emopms.network.reconstruction.reconstruct import reconstruct

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Workspace
    from emopms.engine.training.loop import Loss
    from emopms.network.partition.divided_network import DividedNetwork
    from emopms.spec import FinetuneSettings

RECONSTRUCTED_ON: Final = 2048
"""Largest number of training images on which layers are reconstructed."""
_SOME: Final = 64
"""Size of the batches in which these images are read."""


def pruned(context: Context, dense: DividedNetwork, genome: NDArray[np.bool_]) -> nn.Module:
    """Return the network that is pruned by a genome [genes]. Then batch norm is recalibrated or, if the spec says so,
    layers are reconstructed, on training images.

    Raises:
        RunError: The counted MACs differ from the predicted MACs.
    """
    network = context.network(pruned_state(dense.network, [(dense.channels, genome)]))
    counted, predicted = count(network, context.example), int(dense.costs.macs(genome[None])[0])
    if counted.macs != predicted:
        raise RunError(
            f"The pruned network has {counted.macs} MACs, but {predicted} were predicted: "
            "the cost model is wrong for some operation of the backbone.",
            remedy="Report this backbone as a bug of emopms.",
        )
    train = context.image_sets.train
    if context.spec.surgery.reconstruct == "least_squares":
        images = torch.cat([some for some, _ in islice(train.batches(_SOME), RECONSTRUCTED_ON // _SOME)])
        reconstruct(network, dense, genome, images, torch_rng(context.spec.seed, "reconstruct"))
    else:
        recalibrate(network, (images for images, _ in train.batches(BATCH)))
    return network


def tune(
    network: nn.Module,
    context: Context,
    *,
    teacher: Mapping[str, Tensor],
    order: str,
    genome: NDArray[np.bool_],
    lowest_accuracy: float = 0.0,
    out: Workspace,
) -> FinetunedNetwork:
    """Fine-tune a pruned network, and keep its state with the best score on validation images. The network is changed
    in place.

    The state before fine-tuning may be kept too, so fine-tuning never lowers the accuracy on validation images. The
    order of images depends on the seed and on ``order`` alone, so that all networks that are compared see the same.

    Args:
        network: The pruned network that `pruned` returned.
        context: The context of the run; its training images and its ``finetune`` settings are used.
        teacher: State dict of the dense network.
        order: Names the order of images, such as ``finetune/macs-0.5``.
        genome: The genome [genes] that pruned the network.
        lowest_accuracy: The lowest accuracy on validation images that the target allows.
        out: The workspace of the stage, whose journals hold the progress.
    """
    recalibrated = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    validation, settings = context.image_sets.validation, context.spec.finetune
    best = BestState(network, lambda: score(network.eval(), validation, context.device), out.journal("best"))
    before = best.offer(0)
    train(
        network,
        sgd(network, settings),
        distillation_loss(settings, network, context.network(teacher).requires_grad_(False)),
        schedule=settings,
        context=context,
        stage=order,
        out=out,
        best=best,
        quality=context.quality,
    )
    after = best.restore()
    return FinetunedNetwork(
        recalibrated,
        network.state_dict(),
        genome=genome,
        before=before,
        after=after,
        epoch=best.epoch,
        meets_target=after.accuracy >= lowest_accuracy,
    )


def distillation_loss(settings: FinetuneSettings, network: nn.Module, teacher: nn.Module) -> Loss:
    """Return the loss of fine-tuning: cross-entropy and, with ``distill``, the distance from the teacher's scores.

    The distance is the Kullback–Leibler divergence of softened class scores (Hinton et al., arXiv 1503.02531).

    Args:
        settings: The fine-tuning settings of the spec, with temperature and weight of the distance.
        network: The pruned network.
        teacher: The dense network, frozen.
    """

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
