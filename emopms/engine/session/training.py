"""One training loop for everything that is trained: resumable by epoch, deterministic by seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import torch

from emopms.engine.support.seeds import torch_rng
from emopms.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

    from emopms.engine.session.context import Context
    from emopms.engine.storage.journal import Journal
    from emopms.engine.storage.store import Workspace
    from emopms.network.runtime.device import Device
    from emopms.spec import Training

_WARM_UP = 0.05
"""Share of all steps over which the learning rate rises."""


class Loss(Protocol):
    """What a training minimises on a batch."""

    def __call__(self, images: Tensor, labels: Tensor, rng: torch.Generator, /) -> Tensor:
        """The scalar loss. Whatever it draws, it draws from the generator it is given: that is how a resumed training
        stays the same training."""


class Schedule(Protocol):
    """How long and in which steps to train: what all training settings have."""

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
    assess: Callable[[], str] = lambda: "",
) -> None:
    """Minimise ``loss(images, labels, rng)`` over the training images.

    The learning rate warms up linearly and falls along a cosine to zero. After each epoch a checkpoint in
    a journal of ``out`` holds model and optimiser, from which an interrupted training continues as if nothing
    had happened.

    Args:
        model: What a checkpoint saves; the loss closes over it.
        optimizer: Holds the peak learning rate.
        stage: Name of the stage, for the seed of order and augmentation, and for display.
        assess: Called after each epoch; returns a note for display.

    Raises:
        RunError: The loss is no longer finite.
    """
    if not schedule.epochs:
        return
    data, peaks = context.image_sets.train, [group["lr"] for group in optimizer.param_groups]
    steps_per_epoch = steps(len(data), schedule.batch_size)
    total = schedule.epochs * steps_per_epoch
    checkpoints = out.journal("checkpoints")
    first = _resume(model, optimizer, checkpoints)
    with context.progress.track(stage, schedule.epochs, "epochs") as tracker:
        if first:
            tracker.advance("resumed", steps=first)
        for epoch in range(first, schedule.epochs):
            rng = torch_rng(context.spec.seed, stage, "epoch", epoch)
            running = torch.zeros((), device=context.device.type)
            batches = data.batches(schedule.batch_size, shuffle=rng, augment=context.spec.data.augment)
            for step, (images, labels) in enumerate(batches, start=epoch * steps_per_epoch):
                for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                    group["lr"] = peak * _factor(step, total)
                running += descend(optimizer, loss, images, labels, rng, device=context.device)
            mean = float(running) / steps_per_epoch
            if not math.isfinite(mean):
                raise RunError(
                    f"Training diverged in {stage}, epoch {epoch + 1}: the loss is {mean}.",
                    remedy="Lower the learning rate (`lr`) of that stage.",
                )
            _save(model, optimizer, epoch + 1, checkpoints)
            tracker.advance(f"loss {mean:.3f} {assess()}".rstrip())


def steps(images: int, batch_size: int) -> int:
    """Steps of a pass over so many images: whole batches only, but at least one."""
    return images // min(batch_size, images)


def descend(
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    images: Tensor,
    labels: Tensor,
    rng: torch.Generator,
    *,
    device: Device,
) -> Tensor:
    """One step on one batch; returns the loss before it."""
    with torch.enable_grad(), device.autocast():
        value = loss(images, labels, rng)
    optimizer.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return value.detach()


def sgd(network: nn.Module, training: Training) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum 0.9; no weight decay on biases and normalisation."""
    decayed = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    groups = [
        {"params": decayed, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=training.lr, momentum=0.9, nesterov=True)


def _factor(step: int, total: int) -> float:
    warm_up = max(1, round(total * _WARM_UP))
    rising = min(1.0, (step + 1) / warm_up)
    return rising * 0.5 * (1 + math.cos(math.pi * step / total))


def _save(model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, checkpoints: Journal) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    checkpoints.put(epoch, tensors)
    checkpoints.keep_only(epoch)  # the one before stays until this one is there


def _resume(model: nn.Module, optimizer: torch.optim.Optimizer, checkpoints: Journal) -> int:
    """Continue at the last whole checkpoint; returns the number of epochs that it has seen."""
    for epoch in reversed(checkpoints.numbers()):
        tensors = checkpoints.get(epoch)
        if tensors is not None:
            _restore(model, optimizer, tensors)
            return epoch
    return 0


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    prefix = "model."
    model.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
