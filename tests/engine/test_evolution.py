"""The search: nothing twice, everything replayable, every objective checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch

from emopms.api import Objective, Task
from emopms.builtin.algorithm.nsga2 import Nsga2
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.objective.capability import Capability
from emopms.builtin.objective.macs import Macs
from emopms.builtin.sampling.importance import Importance
from emopms.engine.evolution import Generation, Memory, evolve, memory_for
from emopms.errors import RunError
from emopms.network.coding import Coding
from emopms.network.device import Device
from emopms.network.importance import magnitude
from emopms.network.judges import OwnClassifier
from emopms.network.subnetwork import subnetworks_of
from emopms.pareto import nondominated

if TYPE_CHECKING:
    from numpy.typing import NDArray

OBJECTIVES = (Capability(), Macs())
NSGA2 = Nsga2(pop_size=8, generations=5)


@pytest.fixture(scope="module")
def task() -> Task:
    torch.manual_seed(0)
    network = SmallResNet(widths=(4, 8)).build(input_shape=(1, 8, 8), classes=3).eval()
    (sub,) = subnetworks_of(network, [], torch.zeros(2, 1, 8, 8))
    images = torch.randn(64, 1, 8, 8)
    with torch.inference_mode():
        references = network(images)
    labels = torch.randint(3, (64,))
    return Task(sub, images, references, labels, OwnClassifier(), Device("cpu"), tail=lambda scores: scores)


def _search(task: Task, memory: Memory, algorithm: Nsga2 = NSGA2, **more: Any) -> Generation:
    return evolve(
        task,
        coding(task),
        objectives=OBJECTIVES,
        algorithm=algorithm,
        sampling=Importance(),
        seed=7,
        memory=memory,
        **more,
    )


def coding(task: Task, **settings: Any) -> Coding:
    return Coding(task.subnetwork.channels, magnitude(task.subnetwork), **settings)


def test_no_genome_is_evaluated_twice(task: Task) -> None:
    seen: list[bytes] = []
    _search(task, memory_for(task, OBJECTIVES, on_new=lambda genomes, _: seen.extend(g.tobytes() for g in genomes)))
    assert len(seen) == len(set(seen)) > 16


def test_a_replayed_search_gives_the_same_front_and_evaluates_only_what_is_missing(task: Task) -> None:
    batches: list[tuple[NDArray[np.bool_], NDArray[np.float64]]] = []
    whole = _search(task, memory_for(task, OBJECTIVES, on_new=lambda *batch: batches.append(batch)))
    again: list[NDArray[np.bool_]] = []
    memory = memory_for(task, OBJECTIVES, on_new=lambda genomes, _: again.append(genomes))
    for batch in batches[:3]:
        memory.remember(*batch)
    resumed = _search(task, memory)
    assert sum(map(len, again)) == sum(len(genomes) for genomes, _ in batches[3:])
    np.testing.assert_array_equal(resumed.genomes, whole.genomes)
    np.testing.assert_array_equal(resumed.objectives, whole.objectives)


def test_the_front_is_that_of_everything_evaluated_and_has_the_dense_genome(task: Task) -> None:
    memory = memory_for(task, OBJECTIVES)
    last = _search(task, memory)
    values = np.stack(memory.objectives)
    np.testing.assert_array_equal(last.objectives, values[nondominated(values)])
    assert last.evaluations == len(values)
    assert last.asked == 1 + NSGA2.pop_size * NSGA2.generations, "some of which were known already"
    assert memory.genomes[0].all(), "the dense genome is evaluated first"


def test_every_candidate_keeps_a_channel_of_each_group(task: Task) -> None:
    memory = memory_for(task, OBJECTIVES)
    _search(task, memory)
    for genome in memory.genomes:
        assert all(genome[group.genes].any() for group in task.subnetwork.channels.groups)


def test_a_search_stops_when_told_to(task: Task) -> None:
    memory = memory_for(task, OBJECTIVES)
    last = _search(task, memory, go_on=lambda generation: generation.number < 2)
    assert last.number == 2


class Bad(Objective):
    """Returns what it is told to."""

    name: Literal["bad"] = "bad"
    kind: str

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        if self.kind == "shape":
            return np.zeros((len(genomes), 2))
        return np.full(len(genomes), float(self.kind))


@pytest.mark.parametrize(
    ("kind", "message"), [("shape", r"'bad' returned shape \(1, 2\)"), ("nan", "not finite"), ("inf", "not finite")]
)
def test_an_objective_that_misbehaves_is_named(task: Task, kind: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        memory_for(task, (Bad(kind=kind),))(task.subnetwork.dense[None, :])
