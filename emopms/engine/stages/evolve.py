"""``evolve/i``: the search of the i-th sub-network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from loguru import logger

from emopms.api import Cost, Task
from emopms.engine.evolution import Generation, evolve
from emopms.engine.judges import make_judges
from emopms.engine.judging import Judged
from emopms.engine.measure import BATCH, guessing_loss
from emopms.engine.memory import memory_for
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
    from emopms.engine.journal import Journal
    from emopms.engine.memory import Memory
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
        log = _Log(out.journal("judged"))
        memory = memory_for(task, spec.objectives, on_new=log.append)
        log.replay(memory)
        dense = memory(sub.dense[None, :])
        with context.progress.track(self.name, spec.algorithm.generations, "generations") as tracker:
            last = evolve(
                task,
                context.coding(sub),
                objectives=spec.objectives,
                algorithm=spec.algorithm,
                sampling=spec.sampling,
                seed=derive(spec.seed, self.name, "search"),
                memory=memory,
                go_on=lambda generation: self._show(context, tracker, dense[0], generation),
            )
        others = ~(last.genomes == sub.dense).all(axis=1)
        out.save_arrays(
            "front",
            genomes=np.concatenate([last.genomes[others], sub.dense[None, :]]),
            objectives=np.concatenate([last.objectives[others], dense]),
        )
        logger.info(
            "{}: {} candidates evaluated in {} generations; {} more were known already",
            self.name,
            last.evaluations,
            last.number,
            last.asked - last.evaluations,
        )
        if last.failed:
            logger.warning(
                "{}: {} candidates failed and were left out. The first: {}", self.name, last.failed, memory.cause
            )
        for why in task.how():
            logger.info("{}: candidates are run {}", self.name, why)
        out.save_json(
            "search",
            {
                "evaluations": last.evaluations,
                "asked": last.asked,
                "generations": last.number,
                "failed": last.failed,
                "first_failure": memory.cause,
            },
        )

    def _show(self, context: Context, tracker: Tracker, dense: NDArray[np.float64], generation: Generation) -> bool:
        quality = next(i for i, o in enumerate(context.spec.objectives) if not isinstance(o, Cost))
        cost = next(i for i, o in enumerate(context.spec.objectives) if isinstance(o, Cost))
        points = generation.objectives[:, [quality, cost]] / (1.0, dense[cost])
        volume = hypervolume(points, (guessing_loss(context.classes), 1.0))
        failed = f", {generation.failed} failed" if generation.failed else ""
        tracker.advance(f"front {len(generation.genomes)}, hypervolume {volume:.3f}{failed}")
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
    """What an unfinished search has judged: an entry for each batch of new genomes."""

    def __init__(self, journal: Journal) -> None:
        self._journal, self._next = journal, 0

    def append(self, genomes: NDArray[np.bool_], found: Judged) -> None:
        self._journal.put(
            self._next,
            {
                "genomes": torch.from_numpy(genomes),
                "values": torch.from_numpy(found.values),
                "cause": torch.tensor(list(found.cause.encode()), dtype=torch.uint8),
            },
        )
        self._next += 1

    def replay(self, memory: Memory) -> None:
        for number in self._journal.numbers():
            self._next = number + 1
            batch = self._journal.get(number)
            if batch is not None:
                cause = bytes(batch["cause"].tolist()).decode()
                memory.remember(batch["genomes"].numpy(), Judged(batch["values"].numpy(), cause))
