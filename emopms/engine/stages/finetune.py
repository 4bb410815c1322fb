"""``finetune/<target>``: choose a scheme, prune the network by it, and fine-tune."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from loguru import logger

from emopms.engine.results.networks import DenseNetwork, FinetunedNetwork
from emopms.engine.results.schemes import MeasuredSchemes
from emopms.engine.search.best_scheme import best_scheme
from emopms.engine.search.named_costs import cost_names
from emopms.engine.stages.base import Stage
from emopms.engine.support.wording import counted
from emopms.engine.training.losses import supervised_loss
from emopms.engine.training.recipe import make_optimizer
from emopms.engine.training.tuning import RECALIBRATED_ON, RECONSTRUCTED_ON, pruned, tune
from emopms.network.channels.surgery import pruned_state
from emopms.network.costs.cost_model import count
from emopms.network.partition.importance import magnitude

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.engine.training.loop import Loss
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.spec import Target

_PASSES: Final = 16
"""Number of forward passes of the dense network that take as long as a reconstruction. Each layer is solved with
passes of both networks through its residual block, which has about six layers, and with its normal equations."""


@dataclass(frozen=True, kw_only=True)
class Finetune(Stage):
    """Makes the pruned network of one target. Its result is a `FinetunedNetwork`.

    The result has the state of the epoch with the best score on validation images. If no epoch improves this score, the
    result has the state before fine-tuning.
    """

    version: ClassVar[int] = 4

    goal: Target | NDArray[np.bool_]
    """The target for which this stage makes a pruned network, or the genome [genes] that was picked."""
    slug: str
    """Name of the model's folder."""
    aimed_by: str | None = None
    """Name of the stage that searched near the target; None without such a search."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Prune the network, fine-tune it on training images, and score it on validation images.

        Raises:
            UnmetTargetError: No measured scheme meets the target.
        """
        pretrained = DenseNetwork.load(inputs["pretrain"])
        schemes, goal = MeasuredSchemes.load(inputs["measure"]), self.goal
        lowest, dense_accuracy = 0.0, pretrained.score.accuracy
        if isinstance(goal, np.ndarray):
            genome = goal
        else:
            schemes = schemes.with_more(MeasuredSchemes.load(inputs[self.aimed_by]) if self.aimed_by else None)
            genome = schemes.genomes[best_scheme(goal, schemes, cost_names(context.spec), dense_accuracy)]
            lowest = 0.0 if goal.accuracy_drop is None else dense_accuracy - goal.accuracy_drop
        divided = context.constrained(inputs["constrain"])
        tuned = tune(
            pruned(context, divided, genome),
            context,
            teacher=pretrained.state,
            order=self.name,
            genome=genome,
            lowest_accuracy=lowest,
            out=out,
        )
        logger.info(
            "{}: {:.1%} of the MACs; validation {} {}",
            self.slug,
            divided.costs.macs(genome[None])[0] / schemes.macs[schemes.dense],
            context.quality,
            describe(tuned, context.spec.finetune.epochs),
        )
        if not tuned.meets_target:
            logger.warning(
                "{}: the fine-tuned model misses the target: validation {} is {:.2%}, but {:.2%} is required",
                self.slug,
                context.quality,
                tuned.after.accuracy,
                lowest,
            )
        tuned.save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds of recalibration or reconstruction, fine-tuning and validation."""
        settings, validation = context.spec.finetune, timer.forward(context.spec.data.validated_on(context.source))

        def prepare() -> tuple[torch.optim.Optimizer, Loss]:
            dense = context.random_network()
            counted = count(dense, context.example)
            sizes = {"macs": counted.macs, "params": counted.params}
            bounds = {} if isinstance(self.goal, np.ndarray) else self.goal.counted_shares(sizes)
            # The costs of a layer are proportional to its input channels times its output channels.
            share = math.sqrt(min(bounds.values(), default=1.0))
            cuts = [(sub.channels, _narrow(sub, share)) for sub in context.divide(dense).parts]
            network = context.network(pruned_state(dense, cuts))
            teacher = dense.requires_grad_(False)
            return make_optimizer(network, settings), supervised_loss(settings, network, teacher)

        trained = timer.training(settings, prepare, after_epoch=validation)
        if context.spec.surgery.reconstruct == "none":
            prepared = timer.forward(min(context.train_size, RECALIBRATED_ON))
        else:
            prepared = _PASSES * timer.forward(min(context.train_size, RECONSTRUCTED_ON))
        return prepared + trained + 2 * validation


def describe(tuned: FinetunedNetwork, epochs: int) -> str:
    """Return the accuracies before and after fine-tuning, and the epoch that was kept."""
    before = f"{tuned.before.accuracy:.2%}"
    if not epochs:
        return f"{before} without fine-tuning"
    if not tuned.epoch:
        tried = f"{counted(epochs, 'epoch')} of fine-tuning did not help, so the state before is kept"
        return f"{before}: {tried}; a lower `finetune.lr` may help"
    return f"{before} before and {tuned.after.accuracy:.2%} after {tuned.epoch} of {counted(epochs, 'epoch')}"


def _narrow(sub: SubNetwork, share: float) -> NDArray[np.bool_]:
    """Return a genome [genes] that keeps the share ``share`` of the channels of every channel group."""
    genome = np.zeros((1, sub.channels.genes), dtype=np.bool_)
    for group in sub.channels.groups:
        genome[:, group.start : group.start + round(share * group.size)] = True
    narrow: NDArray[np.bool_] = sub.repair(genome, magnitude(sub))[0]
    return narrow
