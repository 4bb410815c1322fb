"""Costs of whole networks: only the cost objectives, evaluated on the whole network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch

from emopms.api import Cost
from emopms.engine.search.evaluation import failures
from emopms.engine.search.network_costs import NetworkCosts
from emopms.network.channels.surgery import pruned_state
from emopms.network.costs.cost_model import count
from tests.engine.contexts import tiny_context

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import Task


class Looks(Cost):
    """Records the task that it is given; candidates without the first channel fail."""

    name: Literal["looks"] = "looks"
    tasks: list[Any] = []  # noqa: RUF012

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        self.tasks.append(task)
        return np.where(genomes[:, 0], 1.0, np.nan)


def test_costs_are_those_of_the_pruned_network_in_the_order_of_the_spec() -> None:
    context = tiny_context(objectives=["macs", "capability", "params"])
    divided = context.divide(context.random_network())
    rng = np.random.default_rng(0)
    genomes = divided.whole.repair(rng.random((3, divided.channels.genes)) < 0.6, rng.random(divided.channels.genes))
    found = NetworkCosts(context, divided.whole).evaluate(genomes)
    assert found.values.shape == (3, 2), "one column for each cost objective"
    for genome, costs in zip(genomes, found.values, strict=True):
        pruned = context.network(pruned_state(divided.network, [(divided.channels, genome)]))
        counted = count(pruned, context.example)
        assert costs.tolist() == [counted.macs, counted.params]


@pytest.fixture(scope="module")
def looked() -> tuple[Task, NDArray[np.float64]]:
    looks = Looks()
    context = tiny_context(objectives=["capability", "macs", looks])
    whole = context.divide(context.random_network()).whole
    genomes = np.tile(whole.dense, (2, 1))
    genomes[1, 0] = False
    costs = NetworkCosts(context, whole)
    (objective,) = [each for each in context.spec.objectives if isinstance(each, Looks)]
    objective.tasks.clear()
    found = costs.evaluate(genomes)
    return objective.tasks[0], found.values


def test_measured_costs_get_one_batch_of_images_and_the_whole_network(
    looked: tuple[Task, NDArray[np.float64]],
) -> None:
    task, _ = looked
    assert task.inputs.shape == (128, 1, 8, 8), "all calibration images: they are fewer than a batch"
    assert task.references.shape == (128, 10)
    assert task.labels.shape == (128,)
    torch.testing.assert_close(task.references, task.subnetwork.forward(task.inputs))
    assert torch.equal(task.tail(task.references), task.references), "nothing follows"


def test_networks_whose_costs_cannot_be_evaluated_fail_alone(looked: tuple[Task, NDArray[np.float64]]) -> None:
    _, values = looked
    assert failures(values).tolist() == [False, True]
