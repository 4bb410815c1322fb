"""The training loop of all stages. It resumes at the last completed epoch, and the seed determines its result."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import torch
from loguru import logger

from emopms.engine.support.seeds import seeded_globals, torch_rng
from emopms.engine.training.recipe import PLAIN
from emopms.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Workspace
    from emopms.engine.storage.journal import Journal
    from emopms.engine.training.best_state import BestState
    from emopms.engine.training.recipe import Recipe
    from emopms.network.runtime.device import Device


class Loss(Protocol):
    """The function that a training minimises."""

    def __call__(self, images: Tensor, labels: Tensor, rng: torch.Generator, /) -> Tensor:
        """Return the scalar loss of one batch.

        Args:
            images: The images [N, C, H, W] of the batch.
            labels: Class numbers [N] of the images.
            rng: The source of random numbers of the loss. Layers of the network draw from the global generators, which
                `train` seeds for each epoch, so that a resumed training does not differ from an uninterrupted one.
        """


class Schedule(Protocol):
    """The fields that all training settings have: the number of epochs, and images per batch."""

    @property
    def epochs(self) -> int: ...

    @property
    def batch_size(self) -> int: ...


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    *,
    schedule: Schedule,
    context: Context,
    stage: str,
    out: Workspace,
    recipe: Recipe = PLAIN,
    best: BestState | None = None,
    quality: str = "accuracy",
) -> None:
    """Minimise ``loss(images, labels, rng)`` over the training images.

    After each epoch, a checkpoint of model and optimiser is stored in a journal of ``out``. An interrupted training
    continues from this checkpoint, with the same result as an uninterrupted training.

    Args:
        model: The network that is trained and saved in checkpoints. ``loss`` runs this network.
        optimizer: The optimiser. Its initial learning rate is the largest one.
        loss: The loss of one batch.
        schedule: Number of epochs, and images per batch.
        context: The context of the run; its training images, device and progress are used.
        stage: Name of the stage, for display, and for the seed of the order and augmentation of images.
        out: The workspace of the stage, whose journal holds the checkpoints.
        recipe: How the steps are taken.
        best: Scores the model, or its average (see `Recipe.judged`), after each epoch, and keeps the best state. After
            training, ``model`` has the last state.
        quality: Name of the share of correct answers, for display.

    Raises:
        RunError: The mean loss of an epoch is not finite.
    """
    if not schedule.epochs:
        return
    data, peaks = context.image_sets.train, [group["lr"] for group in optimizer.param_groups]
    steps_per_epoch = steps(len(data), schedule.batch_size)
    total = schedule.epochs * steps_per_epoch
    checkpoints = out.journal("checkpoints")
    first = _resume(model, optimizer, checkpoints, recipe, best)
    with context.progress.track(stage, total, "steps") as tracker:
        if first:
            tracker.advance(f"resumed after epoch {first}", steps=first * steps_per_epoch)
        for epoch in range(first, schedule.epochs):
            if best and recipe.patience is not None and epoch - best.epoch >= recipe.patience:
                logger.info("{}: ends after epoch {}, because none was better since epoch {}", stage, epoch, best.epoch)
                break
            rng = torch_rng(context.spec.seed, stage, "epoch", epoch)
            running = torch.zeros((), device=context.device.type)
            batches = data.batches(schedule.batch_size, shuffle=rng, augment=context.spec.data.augment)
            # The layers of a network, such as dropout, draw from the global generators.
            with seeded_globals(context.spec.seed, stage, "layers", epoch):
                for step, (images, labels) in enumerate(batches, start=epoch * steps_per_epoch):
                    for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                        group["lr"] = peak * recipe.rate(step, total)
                    running += descend(
                        optimizer, loss, images, labels, rng, device=context.device, clip_norm=recipe.clip_norm
                    )
                    if recipe.average is not None:
                        recipe.average.update_parameters(model)
                    if step + 1 < (epoch + 1) * steps_per_epoch:
                        tracker.advance()
            mean = float(running) / steps_per_epoch
            if not math.isfinite(mean):
                raise RunError(
                    f"Training diverged in {stage}, epoch {epoch + 1}: the loss is {mean}.",
                    remedy="Lower the learning rate (`lr`) of that stage.",
                )
            note = f"epoch {epoch + 1}: loss {mean:.3f}"
            if best:  # before the checkpoint, so that an attempt that resumes from it knows the best earlier state
                note += f" validation {quality} {best.offer(epoch + 1).accuracy:.1%}"
            _save(model, optimizer, epoch + 1, checkpoints, recipe, best)
            tracker.advance(note)


def steps(images: int, batch_size: int) -> int:
    """Return the number of optimisation steps in an epoch. Only full batches are used. There is at least one step.

    Args:
        images: Number of training images.
        batch_size: Images per batch.
    """
    return images // min(batch_size, images)


def descend(
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    images: Tensor,
    labels: Tensor,
    rng: torch.Generator,
    *,
    device: Device,
    clip_norm: float | None = None,
) -> Tensor:
    """Take one optimisation step to reduce the loss of one batch of images.

    Args:
        images: The images [N, C, H, W] of the batch.
        labels: Class numbers [N] of the images.
        rng: The source of random numbers of the loss.
        device: The device.
        clip_norm: Largest norm of the gradient; None for no limit.

    Returns:
        The scalar loss of the batch before the step.
    """
    with torch.enable_grad(), device.autocast():
        value = loss(images, labels, rng)
    optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    if clip_norm is not None:
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip_norm)
    optimizer.step()
    return value.detach()


def _save(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    checkpoints: Journal,
    recipe: Recipe,
    best: BestState | None,
) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if recipe.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in recipe.average.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    if best:
        tensors["best_epoch"] = torch.tensor(best.epoch)
    checkpoints.put(epoch, tensors)
    checkpoints.keep_only(epoch)  # the earlier checkpoint stays until the new one is complete


def _resume(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    checkpoints: Journal,
    recipe: Recipe,
    best: BestState | None,
) -> int:
    """Restore model and optimiser from the last undamaged checkpoint of an interrupted training.

    A checkpoint does not count if the best state of the epochs before it is lost: these epochs are trained again.

    Returns:
        The number of epochs before the checkpoint; 0 if there is no checkpoint.
    """
    for epoch in reversed(checkpoints.numbers()):
        tensors = checkpoints.get(epoch)
        if tensors is not None and (best is None or best.epoch >= int(tensors.get("best_epoch", 0))):
            _restore(model, optimizer, recipe, tensors)
            return epoch
    return 0


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, tensors: Mapping[str, Tensor]) -> None:
    for prefix, network in (("model.", model), ("average.", recipe.average)):
        if network is not None:
            network.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
