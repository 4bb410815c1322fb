"""What the parts of a run take, timed on its device: the stages' own code, on random weights and random images."""

from __future__ import annotations

import math
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch

from emopms.api import Images
from emopms.engine.forecast.stopwatch import Stopwatch
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.criteria import make_criteria
from emopms.engine.search.evaluation import Evaluations, evaluate_candidates
from emopms.engine.search.loop import drawn_by, evolve
from emopms.engine.search.task import make_task
from emopms.engine.session.context import example_of, fresh_network
from emopms.engine.session.data import ImageSet
from emopms.engine.session.scoring import BATCH, score
from emopms.engine.session.training import descend, sgd
from emopms.engine.stages.constrain import chain_loss
from emopms.engine.stages.export import write_formats
from emopms.engine.stages.finetune import distillation_loss
from emopms.engine.stages.pretrain import classification_loss
from emopms.engine.stages.selectors import criteria_loss
from emopms.network.channels.cost import count
from emopms.network.channels.surgery import pruned_state
from emopms.network.partition.importance import magnitude

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from emopms.api import ConstraintTraining, TrainedSelector
    from emopms.engine.session.context import Context
    from emopms.engine.session.training import Loss
    from emopms.network.partition.partitioned import DividedNetwork
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.spec import Target

_CANDIDATES = 8
"""Random candidates that are evaluated together."""


class Timing:
    """Seconds that parts of a run take. No image of the data is read."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._watch = Stopwatch(context.device)
        self._rng = np.random.default_rng(0)

    @property
    def peak(self) -> int:
        """Most memory in bytes that what was timed would take (see `Stopwatch.peak`)."""
        return self._watch.peak

    def forward(self, images: int) -> float:
        """Measuring the dense network on so many images."""
        return images * self._forward

    @cached_property
    def _forward(self) -> float:
        network, device = self._dense(), self._context.device

        def prepare(size: int) -> Callable[[], object]:
            images = self._images(size)
            return lambda: score(network, images, device)

        return self._watch.seconds(prepare, BATCH) / BATCH

    def pretrain_step(self) -> float:
        """A step of ``pretrain``."""
        network, settings = self._dense(), self._context.spec.pretrain
        return self._step(sgd(network, settings), classification_loss(network), settings.batch_size)

    def selector_step(self, selector: TrainedSelector) -> float:
        """A step of ``selectors``."""
        subnetworks = self._context.divide(self._dense()).parts
        criteria = make_criteria(self._context, subnetworks, differentiable=True)
        optimizer = torch.optim.Adam(criteria.parameters(), lr=selector.lr)
        return self._step(optimizer, criteria_loss(subnetworks, criteria), selector.batch_size)

    def constraint_step(self, constraint: ConstraintTraining) -> float:
        """A step of ``constrain``."""
        network = self._dense()
        teachers = self._context.divide(self._dense().requires_grad_(False)).parts
        criteria = make_criteria(self._context, teachers, differentiable=True).requires_grad_(False)
        seen, _ = next(self._images(2).batches(2))
        loss = chain_loss(constraint, self._context, network, teachers, criteria, seen)
        return self._step(torch.optim.SGD(network.parameters(), lr=constraint.lr), loss, constraint.batch_size)

    def finetune_step(self, target: Target) -> float:
        """A step of ``finetune/<target>``, of a network about as small as the target's."""
        settings, dense = self._context.spec.finetune, self._dense()
        costs = [bound for name, bound in target.bounds.items() if name != "accuracy_drop"]
        share = math.sqrt(min(costs, default=1.0))  # both sides of a layer become narrower
        cuts = [(sub.channels, _narrow(sub, share)) for sub in self._context.divide(dense).parts]
        network = self._context.network(pruned_state(dense, cuts))
        loss = distillation_loss(settings, network, dense.requires_grad_(False))
        return self._step(sgd(network, settings), loss, settings.batch_size)

    def evaluation(self, index: int) -> float:
        """Judging one candidate of the i-th sub-network by all objectives."""
        spec, device = self._context.spec, self._context.device
        sub = self._divided.searched[index]
        coding = self._context.coding(sub)
        inputs = make_task(self._images(2), self._divided, sub, self._criteria, device).inputs
        drawn = coding.encode(spec.sampling.sample(sub, inputs, _CANDIDATES, self._rng))
        genomes = np.unique(coding.decode(drawn), axis=0)

        def prepare(size: int) -> Callable[[], object]:
            task = make_task(self._images(size), self._divided, sub, self._criteria, device)
            return lambda: evaluate_candidates(genomes, task, spec.objectives)

        return self._watch.seconds(prepare, spec.data.calibration) / len(genomes)

    def algorithm(self, index: int) -> float:
        """The whole search of the i-th sub-network, but for judging its candidates."""
        spec, device = self._context.spec, self._context.device
        sub = self._divided.searched[index]
        task = make_task(self._images(2), self._divided, sub, self._criteria, device)

        def prepare(generations: int) -> Callable[[], object]:
            return lambda: evolve(
                sub,
                self._context.coding(sub),
                cache=EvaluationCache(
                    lambda genomes: Evaluations(self._rng.random((len(genomes), len(spec.objectives))))
                ),
                start=drawn_by(spec.sampling, task),
                algorithm=spec.algorithm.model_copy(update={"generations": generations}),
                seed=0,
            )

        return self._watch.seconds(prepare, spec.algorithm.generations)

    def export(self) -> float:
        """Writing a network in all formats, and checking what was written."""
        context, network = self._context, self._dense()
        facts = asdict(count(network, context.device.images(example_of(context.source))))
        with TemporaryDirectory() as folder:
            return self._watch.once(lambda: write_formats(context, network, facts, Path(folder)))

    @cached_property
    def _divided(self) -> DividedNetwork:
        return self._context.divide(self._dense())

    @cached_property
    def _criteria(self) -> nn.ModuleList:
        return make_criteria(self._context, self._divided.parts).requires_grad_(False)

    def _step(self, optimizer: torch.optim.Optimizer, loss: Loss, batch_size: int) -> float:
        device, augment = self._context.device, self._context.spec.data.augment
        rng = torch.Generator().manual_seed(0)

        def prepare(size: int) -> Callable[[], object]:
            data = self._images(size)

            def work() -> None:
                for images, labels in data.batches(size, shuffle=rng, augment=augment):
                    descend(optimizer, loss, images, labels, rng, device=device)

            return work

        return self._watch.seconds(prepare, min(batch_size, self._context.train_size))

    def _dense(self) -> nn.Module:
        return self._context.device.place(fresh_network(self._context.spec, self._context.source)).eval()

    def _images(self, count: int) -> ImageSet:
        pixels = self._rng.integers(0, 256, (count, *self._context.source.shape), dtype=np.uint8)
        images = Images(pixels, self._rng.integers(0, self._context.classes, count))
        return ImageSet(images, self._context.spec.data, self._context.device)


def _narrow(sub: SubNetwork, share: float) -> NDArray[np.bool_]:
    """The genome that keeps this share of every group."""
    genome = np.zeros((1, sub.channels.genes), dtype=np.bool_)
    for group in sub.channels.groups:
        genome[:, group.start : group.start + round(share * group.size)] = True
    narrow: NDArray[np.bool_] = sub.repair(genome, magnitude(sub))[0]
    return narrow
