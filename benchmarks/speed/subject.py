"""A network to measure on: its weights, its images, its candidates, and the search tasks of both ways to cut it."""

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
"""The deepest network that published weights are at hand for."""
UNSEEN = 2000
"""Images that hypervolumes are measured on."""
POINTS = 12
"""Of each front that are ranked when the network is divided; of the whole network's as many as are measured."""
SCHEMES = 40
"""Networks that a hypervolume is measured with, whichever way they were found."""
TRAINING = {"constraint": {"name": "feature", "epochs": 1, "lr": 0.01}, "augment": ["flip", "crop"]}
"""The constraint training of networks that race after it, and what is done to its images."""


def spec_of(depth: int, *, population: int, generations: int) -> emopms.Spec:
    """The experiment: published weights as they are, three stages, 512 calibration images."""
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
    """Dense, on the device."""
    contexts: dict[Way, Context]
    """They share their images."""
    candidates: NDArray[np.bool_]
    """Genomes of the whole network [n, genes], drawn as a search draws its first population."""

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
        """The search tasks, as the ``evolve`` stages make them. They have evaluated nothing yet, and all that they keep
        of it goes with them."""
        return (replace(task) for task in self._tasks[way])

    def fp32_tasks(self, way: Way) -> Iterator[Task]:
        """The same in fp32."""
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
        """The candidates, cut like the network: one array [n, genes] a task. Whole, or divided, they are the same."""
        start, parts = 0, []
        for task in self.tasks(way):
            genes = task.subnetwork.channels.genes
            parts.append(self.candidates[:, start : start + genes])
            start += genes
        return parts


def subject(depth: int, *, device: Device, population: int, generations: int) -> Subject:
    """Prepare a network."""
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
    """The same after constraint training.

    Args:
        network: One with published weights.
        folder: Run directory of the training, which is resumed there; what is finished is not done again.

    Returns:
        The network; and the training's seconds, with the dense network's scores on unseen images before and after it.
    """
    if network.depth > PUBLISHED:
        raise ValueError(f"{network.name} has no published weights, with which its training would begin.")
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
    """The search tasks of a network as this context cuts it."""
    divided = context.divide(network)
    criteria = make_criteria(context, divided.parts).requires_grad_(False)
    return [make_task(context.image_sets.calibration, divided, sub, criteria, context.device) for sub in divided.parts]


def sharing_nothing(task: Task) -> Task:
    """The task anew, with an evaluator that keeps nothing of one candidate for another."""
    task = replace(task)
    with mock.patch("emopms.network.inference.pool.memory_budget", return_value=0):
        task.evaluator()
    return task


def with_same_images(context: Context, **changes: Any) -> Context:
    """The context with some things different, but the images that it has read already."""
    other = replace(context, **changes)
    vars(other)["splits"] = context.image_sets
    return other
