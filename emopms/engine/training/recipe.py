"""How a training takes its steps: optimiser, learning rate, length of the gradient, averaged weights, early end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

if TYPE_CHECKING:
    from torch import nn

    from emopms.spec import Training

_WARM_UP = 0.05


@dataclass(frozen=True)
class Recipe:
    """How a training takes its steps."""

    schedule: str = "cosine"
    """``cosine``, ``linear`` or ``constant``."""
    warmup: float = _WARM_UP
    """Share of all steps, at the beginning, during which the learning rate rises."""
    clip_norm: float | None = None
    """Largest norm of the gradient; None for no limit."""
    average: AveragedModel | None = None
    """The moving average of the network's weights, which is validated in place of the network; None for none."""
    patience: int | None = None
    """Number of epochs without a better score after which the training ends; None to train all epochs."""

    @classmethod
    def of(cls, network: nn.Module, training: Training) -> Recipe:
        """Return the recipe of the training settings of a spec for a network."""
        average = None
        if training.ema:
            average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(training.ema), use_buffers=True)  # type: ignore[no-untyped-call]
        return cls(training.schedule, training.warmup, training.clip_norm, average, training.patience)

    def rate(self, step: int, total: int) -> float:
        """Return the learning rate of a step, counted from 0, as a share of the largest learning rate."""
        warm_up = max(1, round(total * self.warmup))
        rising = min(1.0, (step + 1) / warm_up)
        falling = {
            "cosine": 0.5 * (1 + math.cos(math.pi * step / total)),
            "linear": 1 - step / total,
            "constant": 1.0,
        }
        return rising * falling[self.schedule]

    def judged(self, network: nn.Module) -> nn.Module:
        """Return the network that is validated: the average, or the network itself."""
        return network if self.average is None else self.average.module


PLAIN = Recipe()
"""The recipe of trainings whose settings say nothing else."""


def make_optimizer(network: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Return the optimiser of the training settings of a spec. Biases and parameters of normalisation layers have no
    weight decay."""
    decayed = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    groups = [
        {"params": decayed, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if training.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=training.lr)
    return torch.optim.SGD(groups, lr=training.lr, momentum=0.9, nesterov=True)
