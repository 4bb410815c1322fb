"""``pretrain``: train the dense network, or only check it if it has weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loguru import logger

from emopms.engine.results.networks import DenseNetwork
from emopms.engine.session.class_order import class_order
from emopms.engine.session.knowledge import count_by_class, require_knowledge
from emopms.engine.session.scoring import score
from emopms.engine.stages.base import Stage
from emopms.engine.support.wording import counted
from emopms.engine.training.best_state import BestState
from emopms.engine.training.loop import train
from emopms.engine.training.losses import supervised_loss
from emopms.engine.training.recipe import Recipe, make_optimizer
from emopms.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from emopms.engine.session.class_order import ClassOrder
    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.engine.training.loop import Loss


_REMEDY = (
    "Give `backbone.weights` that fit these data and their `mean` and `std`, or train longer: `pretrain: {epochs: …}`."
)


@dataclass(frozen=True, kw_only=True)
class Pretrain(Stage):
    """Trains the dense network. Its result is a `DenseNetwork`: the epoch with the best score on validation images."""

    version: ClassVar[int] = 2

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Train the network on training images, and score it on validation images.

        Raises:
            RunError: The network is no better than guessing, or its classes have another order than those of the data.
        """
        spec, validation = context.spec, context.image_sets.validation
        network = context.given_network()
        recipe = Recipe.of(network, spec.pretrain)
        judged = recipe.judged(network)
        best = BestState(judged, lambda: score(judged.eval(), validation, context.device), out.journal("best"))
        given = best.offer(0) if spec.backbone.has_weights else None
        if given is not None:
            logger.info(
                "dense network with the given weights: validation {} {:.2%}, loss {:.4f}",
                context.quality,
                given.accuracy,
                given.loss,
            )
            _check_class_order(context, class_order(network.eval(), validation, context.classes))
        train(
            network,
            make_optimizer(network, spec.pretrain),
            supervised_loss(spec.pretrain, network),
            schedule=spec.pretrain,
            recipe=recipe,
            context=context,
            stage=self.name,
            out=out,
            best=best,
            quality=context.quality,
        )
        measured = best.restore()
        logger.info(
            "dense network: validation {} {:.2%}, loss {:.4f}, {}",
            context.quality,
            measured.accuracy,
            measured.loss,
            _described(best.epoch, spec.pretrain.epochs),
        )
        require_knowledge(
            count_by_class(judged.eval(), validation, context.classes),
            what="The dense network",
            remedy=" ".join(filter(None, [_REMEDY, context.source.doubt if given else ""])),
        )
        DenseNetwork(judged.state_dict(), measured, given).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds of the training, and of the validation after each epoch."""
        schedule = context.spec.pretrain
        validation = timer.forward(context.spec.data.validated_on(context.source))

        def prepare() -> tuple[torch.optim.Optimizer, Loss]:
            network = context.random_network()
            return make_optimizer(network, schedule), supervised_loss(schedule, network)

        return timer.training(schedule, prepare, after_epoch=validation) + validation


def _check_class_order(context: Context, found: ClassOrder) -> None:
    """Warn if the given weights number the classes in another order than the data. Training may mend this.

    Raises:
        RunError: Without training, the weights would be right at least twice as often in another order.
    """
    said = (
        f"The given weights are right for {found.as_given:.1%} of {counted(found.images, 'validation image')}. If the "
        f"classes had another order, it would be {found.reordered:.1%}: the weights seem to number them in another way."
    )
    classes = context.source.classes
    remedy = context.source.reordered([classes[number] for number in found.order])
    if found.is_wrong and not context.spec.pretrain.epochs:
        raise RunError(said, remedy=remedy)
    if found.is_doubtful:
        logger.warning("{} {}", said, remedy)


def _described(epoch: int, epochs: int) -> str:
    """Return which epoch of the training was kept; 0 are the given weights."""
    if not epochs:
        return "without training"
    if not epoch:
        return f"{counted(epochs, 'epoch')} of training did not help, so the given weights are kept"
    return f"after {epoch} of {counted(epochs, 'epoch')}"
