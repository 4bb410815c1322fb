"""``finetune/<target>``: choose a scheme, prune the network by it, and fine-tune."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from loguru import logger

from emopms.engine.results.networks import DenseNetwork, FinetunedNetwork
from emopms.engine.results.schemes import MeasuredSchemes
from emopms.engine.stages.base import Stage
from emopms.engine.training.loop import sgd
from emopms.engine.training.tuning import RECONSTRUCTED_ON, distillation_loss, pruned, tune
from emopms.errors import RunError
from emopms.network.channels.surgery import pruned_state
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

    version: ClassVar[int] = 2

    target: Target
    """The target of the spec for which this stage makes a pruned network."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Prune the network, fine-tune it on training images, and score it on validation images.

        Raises:
            RunError: The spec has a target that no measured scheme meets.
        """
        schemes, pretrained = MeasuredSchemes.load(inputs["measure"]), DenseNetwork.load(inputs["pretrain"])
        # All targets are checked here, so that no fine-tuning is wasted if a later target cannot be met.
        chosen = {
            target.slug: choose_scheme(target, schemes, pretrained.score.accuracy) for target in context.spec.targets
        }
        scheme = chosen[self.target.slug]
        network = pruned(context, context.constrained(inputs["constrain"]), schemes.genomes[scheme])
        tuned = tune(network, context, teacher=pretrained.state, target=self.target, out=out)
        logger.info(
            "{}: scheme {}, {:.1%} of the MACs; validation {} {:.2%} before and {:.2%} after {} of {} epochs",
            self.target.slug,
            scheme,
            schemes.macs[scheme] / schemes.macs[schemes.dense],
            context.quality,
            tuned.before.accuracy,
            tuned.after.accuracy,
            tuned.epoch,
            context.spec.finetune.epochs,
        )
        allowed_drop = 1.0 if self.target.accuracy_drop is None else self.target.accuracy_drop
        lowest = pretrained.score.accuracy - allowed_drop
        if not (met := tuned.after.accuracy >= lowest):
            logger.warning(
                "{}: the fine-tuned model misses the target: validation {} is {:.2%}, but {:.2%} is required",
                self.target.slug,
                context.quality,
                tuned.after.accuracy,
                lowest,
            )
        FinetunedNetwork(
            tuned.recalibrated,
            tuned.state,
            scheme=scheme,
            before=tuned.before,
            after=tuned.after,
            epoch=tuned.epoch,
            meets_target=met,
        ).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds of recalibration or reconstruction, fine-tuning and validation."""
        settings, validation = context.spec.finetune, timer.forward(context.spec.data.validated_on(context.source))

        def prepare() -> tuple[torch.optim.Optimizer, Loss]:
            dense = context.random_network()
            # The costs of a layer are proportional to its input channels times its output channels.
            share = math.sqrt(min(self.target.cost_bounds.values(), default=1.0))
            cuts = [(sub.channels, _narrow(sub, share)) for sub in context.divide(dense).parts]
            network = context.network(pruned_state(dense, cuts))
            return sgd(network, settings), distillation_loss(settings, network, dense.requires_grad_(False))

        trained = timer.training(settings, prepare, after_epoch=validation)
        if context.spec.surgery.reconstruct == "none":
            prepared = timer.forward(context.train_size)
        else:
            prepared = _PASSES * timer.forward(min(context.train_size, RECONSTRUCTED_ON))
        return prepared + trained + 2 * validation


def choose_scheme(target: Target, schemes: MeasuredSchemes, dense_accuracy: float) -> int:
    """Return the row of the best scheme for a target.

    Of the schemes that meet all bounds of the target, it is the scheme with the lowest loss. If the target bounds only
    the accuracy, it is the scheme with the fewest MACs.

    Args:
        target: The target.
        schemes: All measured schemes. Cost bounds are shares of the costs of the dense network, which is in the last
            row.
        dense_accuracy: Validation accuracy of the pretrained dense network. A scheme may lose at most
            ``accuracy_drop`` of it.

    Raises:
        RunError: No measured scheme meets all bounds.
    """
    costs = {"macs": schemes.macs, "params": schemes.params}
    shares = {name: values / values[schemes.dense] for name, values in costs.items()}
    allowed = np.ones(len(schemes.loss), dtype=np.bool_)
    for name, bound in target.cost_bounds.items():
        allowed &= costs[name] <= bound * costs[name][schemes.dense]
    if target.accuracy_drop is not None:
        allowed &= schemes.accuracy >= dense_accuracy - target.accuracy_drop
    if not allowed.any():
        raise RunError(
            f"No scheme that the search found meets the target {target.slug}; the smallest has "
            f"{shares['macs'].min():.3f} of the MACs and {shares['params'].min():.3f} of the parameters, the most "
            f"accurate {schemes.accuracy.max():.2%} on validation images (the dense network {dense_accuracy:.2%}).",
            remedy="Loosen the target, search longer (`algorithm: {generations: …}`), or move the split points.",
        )
    within = np.flatnonzero(allowed)
    measure = schemes.loss if target.cost_bounds else schemes.macs
    return int(within[measure[within].argmin()])


def _narrow(sub: SubNetwork, share: float) -> NDArray[np.bool_]:
    """Return a genome [genes] that keeps the share ``share`` of the channels of every channel group."""
    genome = np.zeros((1, sub.channels.genes), dtype=np.bool_)
    for group in sub.channels.groups:
        genome[:, group.start : group.start + round(share * group.size)] = True
    narrow: NDArray[np.bool_] = sub.repair(genome, magnitude(sub))[0]
    return narrow
