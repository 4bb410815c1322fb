"""``evolve/i``: the search of the i-th sub-network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from loguru import logger

from emopms.api import Cost, Task
from emopms.engine.evolution import Generation, Memory, evolve, memory_for
from emopms.engine.judges import make_judges
from emopms.engine.measure import BATCH, guessing_loss
from emopms.engine.seeds import derive
from emopms.engine.stage import Stage
from emopms.network.evaluator import dense_rest
from emopms.network.gathering import Gathered, wherever
from emopms.pareto import hypervolume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import nn

    from emopms.engine.context import Context
    from emopms.engine.data import ImageSet
    from emopms.engine.progress import Tracker
    from emopms.engine.store import Artefact, Workspace
    from emopms.network.device import Device
    from emopms.network.divided import DividedNetwork
    from emopms.network.subnetwork import SubNetwork


@dataclass(frozen=True, kw_only=True)
class Evolve(Stage):
    """Gives ``front`` (arrays ``genomes`` [p, genes], ``objectives`` [p, m], dense genome last) and ``search``."""

    version: ClassVar[int] = 4

    index: int
    """Of what is searched, from 0: the sub-networks, then the boundaries."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        spec = context.spec
        divided = context.divide(context.network(inputs["constrain"].tensors("network")))
        judges = make_judges(context, divided.parts, state=inputs["selectors"].tensors("judges"))
        sub = divided.searched[self.index]
        task = make_task(context.splits.calibration, divided, sub, judges, context.device)
        log = _Log(out.scratch)
        memory = memory_for(task, spec.objectives, on_new=log.append)
        log.replay(memory)
        with context.progress.track(self.name, spec.algorithm.generations, "generations") as tracker:
            last = evolve(
                task,
                context.coding(sub),
                objectives=spec.objectives,
                algorithm=spec.algorithm,
                sampling=spec.sampling,
                seed=derive(spec.seed, self.name, "search"),
                memory=memory,
                go_on=lambda generation: self._show(context, tracker, memory.objectives[0], generation),
            )
        others = ~(last.genomes == sub.dense).all(axis=1)
        dense_values = memory(sub.dense[None, :])
        out.save_arrays(
            "front",
            genomes=np.concatenate([last.genomes[others], sub.dense[None, :]]),
            objectives=np.concatenate([last.objectives[others], dense_values]),
        )
        logger.info(
            "{}: {} candidates evaluated in {} generations; {} more were known already",
            self.name,
            last.evaluations,
            last.number,
            last.asked - last.evaluations,
        )
        for why in task.how():
            logger.info("{}: candidates are run {}", self.name, why)
        found = {"evaluations": last.evaluations, "asked": last.asked, "generations": last.number}
        out.save_json("search", found)

    def _show(self, context: Context, tracker: Tracker, dense: NDArray[np.float64], generation: Generation) -> bool:
        quality = next(i for i, o in enumerate(context.spec.objectives) if not isinstance(o, Cost))
        cost = next(i for i, o in enumerate(context.spec.objectives) if isinstance(o, Cost))
        points = generation.objectives[:, [quality, cost]] / (1.0, dense[cost])
        volume = hypervolume(points, (guessing_loss(context.classes), 1.0))
        tracker.advance(f"front {len(generation.genomes)}, hypervolume {volume:.3f}")
        return True


def make_task(
    images: ImageSet, divided: DividedNetwork, sub: SubNetwork, judges: nn.ModuleList, device: Device
) -> Task:
    """The search task of one of those searched: its features of calibration images, computed once and kept on the
    device.

    Args:
        judges: One a part; boundaries are judged as the last part is.
    """
    before, behind = (divided.parts[: sub.index], divided.parts[sub.index + 1 :]) if sub in divided.parts else ([], [])
    inputs, references = (Gathered(len(images), wherever) for _ in range(2))
    labels, start = [], 0
    with torch.inference_mode(), device.autocast():
        for pixels, classes in images.batches(BATCH):
            features, rows = pixels, slice(start, start := start + len(pixels))
            for part in before:
                features = part.forward(features)
            features = inputs.add(features, rows)
            references.add(sub.forward(features), rows)
            labels.append(classes)
    assert inputs.tensor is not None
    assert references.tensor is not None
    return Task(
        subnetwork=sub,
        inputs=inputs.tensor,
        references=references.tensor,
        labels=torch.cat(labels),
        judge=judges[-1] if sub.is_last else judges[sub.index],
        device=device,
        tail=dense_rest(behind),
    )


class _Log:
    """What an unfinished search has evaluated: a file for each batch of new genomes."""

    def __init__(self, out: Workspace) -> None:
        self._out, self._count = out, 0

    def append(self, genomes: NDArray[np.bool_], objectives: NDArray[np.float64]) -> None:
        self._out.save_arrays(self._name(self._count), genomes=genomes, objectives=objectives)
        self._count += 1

    def replay(self, memory: Memory) -> None:
        while self._out.has(f"{self._name(self._count)}.npz"):
            batch = self._out.arrays(self._name(self._count))
            memory.remember(batch["genomes"], batch["objectives"])
            self._count += 1

    @staticmethod
    def _name(index: int) -> str:
        return f"log/{index:05d}"
