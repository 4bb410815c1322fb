"""Prepares the networks of the speed benchmark: weights, images, candidates, and the tasks of both searches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from unittest import mock

import emopms
from benchmarks.speed.deepen import deepened
from emopms.builtin.nets.resnet import ResNetCifar
from emopms.engine.pipeline.plan import plan
from emopms.engine.pipeline.preflight import prepare
from emopms.engine.pipeline.runner import run_stages
from emopms.engine.search.criteria import make_criteria
from emopms.engine.search.task import make_task
from emopms.engine.session.networks import given_network
from emopms.engine.session.scoring import BATCH
from emopms.engine.storage.store import Store
from emopms.engine.support.paths import data_folder
from emopms.engine.support.progress import Silent
from emopms.engine.support.seeds import numpy_rng
from emopms.network.partition.importance import magnitude

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from emopms.api import Task
    from emopms.engine.session.context import Context
    from emopms.network.runtime.device import Device

Way = Literal["whole", "divided"]

PUBLISHED = 56
"""Depth of the deepest network with published weights."""
UNSEEN = 2000
"""Number of images for the hypervolume."""
POINTS = 12
"""Number of ranked points per front in divided search. Whole-network search ranks `SCHEMES` points."""
SCHEMES = 40
"""Number of networks per hypervolume, in both searches."""
TRAINING = {"constraint": {"name": "feature", "epochs": 1, "lr": 0.01}, "augment": ["flip", "crop"]}
"""Constraint training and augmentation for the kind ``trained_race``."""


def spec_of(depth: int, *, population: int, generations: int) -> emopms.Spec:
    """Return the spec: published weights without training, three sub-networks, 512 calibration images."""
    return emopms.Spec.model_validate(
        {
            "version": 1,
            "name": f"speed-resnet{depth}",
            "backbone": {"name": "resnet_cifar", "depth": depth, "weights": f"weights/resnet{depth}.safetensors"},
            "data": {
                "name": "image_folder",
                "root": "data/cifar10-jpeg.zip",
                "calibration": 512,
                "validation": UNSEEN,
                "mean": [0.485, 0.456, 0.406],
                "std": [0.229, 0.224, 0.225],
            },
            "pretrain": {"epochs": 0},
            "split": ["layer1", "layer2"],
            "selector": "feature_mse",
            "constraint": "none",
            "algorithm": {"name": "nsga2", "pop_size": population, "generations": generations},
            "points": POINTS,
            "schemes": SCHEMES,
            "targets": [{"macs": 0.5}],
        }
    )


@dataclass(frozen=True)
class Subject:
    """One network on one device, and one population of candidates for it."""

    depth: int
    network: nn.Module
    """The dense network, on the device."""
    contexts: dict[Way, Context]
    """The contexts of both searches. They share their images."""
    candidates: NDArray[np.bool_]
    """Genomes of the whole network [n, genes], drawn like an initial population."""

    @property
    def name(self) -> str:
        return f"ResNet-{self.depth}"

    @property
    def device(self) -> Device:
        return self.contexts["divided"].device

    @property
    def images(self) -> int:
        return len(self.contexts["divided"].image_sets.calibration)

    def tasks(self, way: Way) -> Iterator[Task]:
        """Yield the search tasks as the ``evolve`` stages make them. Their caches are empty and are freed with them."""
        return (replace(task) for task in self._tasks[way])

    def fp32_tasks(self, way: Way) -> Iterator[Task]:
        """Yield the same tasks in fp32."""
        return (replace(task) for task in self._fp32_tasks[way])

    @cached_property
    def _tasks(self) -> dict[Way, list[Task]]:
        return {way: tasks_of(context, self.network) for way, context in self.contexts.items()}

    @property
    def exact(self) -> Device:
        """The device in fp32."""
        return replace(self.device, bf16=False, int8=False)

    @cached_property
    def _fp32_tasks(self) -> dict[Way, list[Task]]:
        return {
            way: tasks_of(with_same_images(context, device=self.exact), self.network)
            for way, context in self.contexts.items()
        }

    def parts(self, way: Way) -> list[NDArray[np.bool_]]:
        """Return the candidates as one array [n, genes] per task. Both searches have the same candidates."""
        start, parts = 0, []
        for task in self.tasks(way):
            genes = task.subnetwork.channels.genes
            parts.append(self.candidates[:, start : start + genes])
            start += genes
        return parts


def subject(depth: int, *, device: Device, population: int, generations: int) -> Subject:
    """Prepare a network of the given depth."""
    spec = spec_of(min(depth, PUBLISHED), population=population, generations=generations)
    divided = prepare(spec, folder=data_folder(spec, None), device=device, progress=Silent()).context
    network = given_network(spec, divided.source, divided.folder)
    if depth > PUBLISHED:
        backbone = spec.backbone.model_copy(update={"depth": depth, "weights": None})
        spec = spec.model_copy(update={"name": f"speed-resnet{depth}", "backbone": backbone})
        divided = with_same_images(divided, spec=spec)
        assert isinstance(network, ResNetCifar)
        network = deepened(network, depth)
    network = divided.device.place(network).eval()
    whole = with_same_images(divided, points=(), spec=spec.model_copy(update={"points": SCHEMES}))
    sub = whole.divide(network).parts[0]
    images, _ = next(divided.image_sets.calibration.batches(BATCH))
    drawn = spec.sampling.sample(sub, images, population, numpy_rng(spec.seed, "speed"))
    return Subject(depth, network, {"whole": whole, "divided": divided}, sub.repair(drawn, magnitude(sub)))


def trained_by_constraints(network: Subject, folder: Path) -> tuple[Subject, dict[str, Any]]:
    """Return the network after constraint training.

    Args:
        network: A network with published weights.
        folder: Run directory of the training. Finished or interrupted training in it is used.

    Returns:
        The trained network, and the seconds of the training with the dense network's scores on unseen images before
        and after it.
    """
    if network.depth > PUBLISHED:
        raise ValueError(f"{network.name} has no published weights, from which the training starts.")
    context = network.contexts["divided"]
    resolved = context.spec.resolved()
    data = resolved["data"] | {"augment": TRAINING["augment"]}
    spec = emopms.Spec.model_validate(resolved | {"data": data, "constraint": TRAINING["constraint"]})
    prepared = prepare(spec, folder=context.folder, device=network.device, progress=Silent())
    planned = plan(
        spec, points=prepared.context.split_points, fingerprint=prepared.fingerprint, device=str(network.device)
    )
    last = [step.stage.name for step in planned].index("constrain")
    store = Store(folder / "store")
    with store.lock():
        done = run_stages(planned[: last + 1], with_same_images(context, spec=spec), store)
    before, after = done["pretrain"].artefact, done["constrain"].artefact
    figures = {"seconds": done["constrain"].seconds, "before": before.json("score"), "after": after.json("score")}
    return replace(network, network=context.network(after.tensors("network"))), figures


def tasks_of(context: Context, network: nn.Module) -> list[Task]:
    """Return the search tasks of a network, divided as in the context."""
    divided = context.divide(network)
    criteria = make_criteria(context, divided.parts).requires_grad_(False)
    return [make_task(context.image_sets.calibration, divided, sub, criteria, context.device) for sub in divided.parts]


def sharing_nothing(task: Task) -> Task:
    """Return a copy of the task whose evaluator has no activation cache, so that candidates share no computation."""
    task = replace(task)
    with mock.patch("emopms.network.inference.pool.memory_budget", return_value=0):
        task.evaluator()
    return task


def with_same_images(context: Context, **changes: Any) -> Context:
    """Return a copy of the context with some changes. It shares the images that are already in memory."""
    other = replace(context, **changes)
    vars(other)["image_sets"] = context.image_sets
    return other
