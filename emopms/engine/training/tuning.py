"""From a genome to a fine-tuned network: removal of channels, recalibration of batch norm or reconstruction of layers,
and fine-tuning with distillation.

Networks of searches and networks of baselines (other pruning methods) are made in this way, so that they can be
compared.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import torch

from emopms.engine.results.networks import FinetunedNetwork
from emopms.engine.session.scoring import BATCH, score
from emopms.engine.support.seeds import torch_rng
from emopms.engine.training.best_state import BestState
from emopms.engine.training.loop import train
from emopms.engine.training.losses import supervised_loss
from emopms.engine.training.recipe import Recipe, make_optimizer
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
    from emopms.network.partition.divided_network import DividedNetwork

RECALIBRATED_ON: Final = 8192
"""Largest number of training images on which batch norm is recalibrated. More images take longer, and change neither
loss nor accuracy of a pruned network (``benchmarks/recalibration.json``)."""
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
        recalibrate(network, (images for images, _ in islice(train.batches(BATCH), RECALIBRATED_ON // BATCH)))
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
    recipe = Recipe.of(network, settings)
    judged = recipe.judged(network)
    best = BestState(judged, lambda: score(judged.eval(), validation, context.device), out.journal("best"))
    before = best.offer(0)
    train(
        network,
        make_optimizer(network, settings),
        supervised_loss(settings, network, context.network(teacher).requires_grad_(False)),
        schedule=settings,
        recipe=recipe,
        context=context,
        stage=order,
        out=out,
        best=best,
        quality=context.quality,
    )
    after = best.restore()
    return FinetunedNetwork(
        recalibrated,
        judged.state_dict(),
        genome=genome,
        before=before,
        after=after,
        epoch=best.epoch,
        meets_target=after.accuracy >= lowest_accuracy,
    )
