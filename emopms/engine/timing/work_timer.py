"""Timings of the spec's networks on random images."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from emopms.api import Images
from emopms.engine.images.image_sets import ImageSet
from emopms.engine.search.criteria import make_criteria
from emopms.engine.session.scoring import BATCH, score
from emopms.engine.timing.stopwatch import DEFAULT_EFFORT, Stopwatch
from emopms.engine.training.loop import descend, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from emopms.engine.session.context import Context
    from emopms.engine.timing.stopwatch import TimingEffort
    from emopms.engine.training.loop import Loss, Schedule
    from emopms.network.partition.divided_network import DividedNetwork


class WorkTimer:
    """Measures how long forward passes and training steps take, for the estimates of stages. Images are random.

    Args:
        context: The context of the run.
        effort: The time that is spent on each timing.
    """

    def __init__(self, context: Context, effort: TimingEffort = DEFAULT_EFFORT) -> None:
        self.context = context
        self.stopwatch = Stopwatch(context.device, effort)
        self.rng = np.random.default_rng(0)

    @property
    def peak(self) -> int:
        """Estimated maximum memory, in bytes, of the timed work if its batches are as large as in the run (see
        `Stopwatch.peak`)."""
        return self.stopwatch.peak

    def forward(self, images: int) -> float:
        """Return the estimated seconds to measure the dense network on a number of images."""
        return images * self._forward

    @cached_property
    def _forward(self) -> float:
        """Estimated seconds per image to measure the dense network."""
        network, device = self.context.random_network(), self.context.device

        def prepare(size: int) -> Callable[[], object]:
            images = self.images(size)
            return lambda: score(network, images, device)

        return self.stopwatch.seconds(prepare, BATCH) / BATCH

    def training(
        self,
        schedule: Schedule,
        prepare: Callable[[], tuple[torch.optim.Optimizer, Loss]],
        *,
        after_epoch: float = 0.0,
    ) -> float:
        """Return the estimated seconds of a training.

        Args:
            schedule: Epochs and batch size. Without epochs, nothing is timed.
            prepare: Makes the optimiser and the loss.
            after_epoch: Seconds that are spent after each epoch, such as on validation.
        """
        if not schedule.epochs:
            return 0.0
        size = steps(self.context.train_size, schedule.batch_size)
        return schedule.epochs * (size * self._step(*prepare(), schedule.batch_size) + after_epoch)

    def _step(self, optimizer: torch.optim.Optimizer, loss: Loss, batch_size: int) -> float:
        """Return the seconds of one optimisation step, augmentation included."""
        device, augment = self.context.device, self.context.spec.data.augment
        rng = torch.Generator().manual_seed(0)

        def prepare(size: int) -> Callable[[], object]:
            data = self.images(size)

            def work() -> None:
                for images, labels in data.batches(size, shuffle=rng, augment=augment):
                    descend(optimizer, loss, images, labels, rng, device=device)

            return work

        return self.stopwatch.seconds(prepare, min(batch_size, self.context.train_size))

    @cached_property
    def divided(self) -> DividedNetwork:
        """The dense network with random weights, divided into sub-networks at the split points."""
        return self.context.divide(self.context.random_network())

    @cached_property
    def criteria(self) -> nn.ModuleList:
        """Untrained and frozen selector criteria of the sub-networks of `divided`."""
        return make_criteria(self.context, self.divided.parts).requires_grad_(False)

    def images(self, count: int) -> ImageSet:
        """Return random images in the shape of the data, with random labels."""
        pixels = self.rng.integers(0, 256, (count, *self.context.source.shape), dtype=np.uint8)
        images = Images(pixels, self.rng.integers(0, self.context.classes, count))
        return ImageSet(images, self.context.spec.data, self.context.device)
