from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import nn

from emopms.api import Cost, Task
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.objective.agreement import Agreement
from emopms.builtin.objective.capability import Capability
from emopms.builtin.objective.macs import Macs
from emopms.builtin.objective.params import Params
from emopms.network.channels.surgery import fit_to, pruned_state
from emopms.network.costs.cost_model import count
from emopms.network.criteria import ClassifierLoss, FeatureDistance, LinearProbeLoss
from emopms.network.inference.evaluator import dense_tail
from emopms.network.inference.executor import STATISTICS_IMAGES
from emopms.network.partition.subnetwork import subnetworks_of
from emopms.network.runtime.device import Device
from emopms.testing.tiny import genomes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES = 21
GENOMES = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 0, 1, 0]], dtype=bool)


@pytest.fixture
def task() -> Task:
    """The first half of a network, judged by a probe."""
    torch.manual_seed(0)
    first = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(5, 4, 1)
    )
    second = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    network = nn.Sequential(first, second)
    images = torch.randn(IMAGES, 2, 6, 6) * 2 + 1
    sub, rest = subnetworks_of(network, ["0"], images)
    criterion = LinearProbeLoss(4, 3)
    criterion(torch.randn(50, 4, 6, 6), torch.empty(0), torch.randint(3, (50,)))
    network.eval()
    with torch.no_grad():
        references = sub.module(images)
    labels = torch.randint(3, (IMAGES,))
    return Task(sub, images, references, labels, criterion.eval(), Device("cpu"), dense_tail([rest]))


def pruned(task: Task, genome: NDArray[np.bool_]) -> nn.Module:
    part = copy.deepcopy(task.subnetwork.module)
    fit_to(part, pruned_state(part, [(task.subnetwork.channels, genome)]))
    return part


@pytest.mark.parametrize("batch_size", [512, 21, 10, 7])
def test_capability_is_the_loss_of_real_surgery_with_statistics_of_the_batch(task: Task, batch_size: int) -> None:
    expected = []
    for genome in GENOMES:
        part = pruned(task, genome).train()
        for module in part.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        with torch.no_grad():
            losses = [
                task.criterion(part(inputs), references, labels) * len(labels) / IMAGES
                for inputs, references, labels in task.batches(batch_size)
            ]
        expected.append(float(torch.stack(losses).sum()))
    found = Capability(batch_size=batch_size).evaluate(GENOMES, task)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("int8", [False, True])
def test_capability_of_many_images_is_the_loss_of_real_surgery_recalibrated_on_the_first(int8: bool) -> None:
    torch.manual_seed(0)
    network = SmallResNet(widths=(4, 4, 8)).build(input_shape=(3, 16, 16), classes=5).eval()
    images, labels = torch.randn(STATISTICS_IMAGES + 150, 3, 16, 16), torch.randint(5, (STATISTICS_IMAGES + 150,))
    (sub,) = subnetworks_of(network, [], images[:2])
    device = Device("cpu", int8=int8)
    task = Task(sub, images, labels, labels, ClassifierLoss(), device, dense_tail([]))
    genomes, expected = genomes_of(sub, 6), []
    for genome in genomes:
        part = pruned(task, genome)
        for norm in (module for module in part.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.register_forward_hook(take_over_statistics)
        with torch.no_grad():
            scores = [part.train()(images[:STATISTICS_IMAGES]), part.eval()(images[STATISTICS_IMAGES:])]
        expected.append(float(F.cross_entropy(torch.cat(scores), labels)))
    found = Capability().evaluate(genomes, task)
    np.testing.assert_allclose(found, expected, rtol=0.02 if int8 else 1e-5)
    assert task.precision_notes()[0].startswith("in int8") == int8


def take_over_statistics(norm: nn.Module, inputs: tuple[torch.Tensor], outputs: torch.Tensor) -> None:
    """Those of the batch, plain ones: PyTorch would take the unbiased variance."""
    assert isinstance(norm, nn.BatchNorm2d)
    if norm.training:
        norm.running_mean = inputs[0].mean(dim=(0, 2, 3))
        norm.running_var = inputs[0].var(dim=(0, 2, 3), correction=0)


def test_capability_with_running_statistics_is_the_loss_in_eval(task: Task) -> None:
    with torch.no_grad():
        expected = [
            float(task.criterion(pruned(task, genome).eval()(task.inputs), task.references, task.labels))
            for genome in GENOMES
        ]
    for batch_size in (512, 5):
        found = Capability(batch_norm="running", batch_size=batch_size).evaluate(GENOMES, task)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not np.allclose(Capability().evaluate(GENOMES, task), expected, rtol=1e-3)


def test_capability_of_the_dense_network_is_best_by_its_own_features(task: Task) -> None:
    judged = replace(task, criterion=FeatureDistance())
    values = Capability(batch_norm="running").evaluate(GENOMES, judged)
    assert values[0] == pytest.approx(0, abs=1e-9)
    assert (values[1:] > 0.01).all()


def test_bf16_stays_close_to_fp32(task: Task) -> None:
    rough = replace(task, device=Device("cpu", bf16=True))
    np.testing.assert_allclose(Capability().evaluate(GENOMES, rough), Capability().evaluate(GENOMES, task), rtol=0.05)


def test_costs_are_those_of_the_pruned_part(task: Task) -> None:
    counted = [count(pruned(task, genome), task.inputs) for genome in GENOMES]
    assert Macs().evaluate(GENOMES, task).tolist() == [c.macs for c in counted]
    assert Params().evaluate(GENOMES, task).tolist() == [c.params for c in counted]


def test_costs_are_known_as_such() -> None:
    assert isinstance(Macs(), Cost)
    assert isinstance(Params(), Cost)
    assert not isinstance(Capability(), Cost)


@pytest.mark.parametrize("size", [1, 4, 10, 20, 21, 22, 100])
def test_batches_are_of_equal_size_and_cover_every_image_once(task: Task, size: int) -> None:
    batches = list(task.batches(size))
    lengths = [len(labels) for _, _, labels in batches]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    for column, wanted in enumerate((task.inputs, task.references, task.labels)):
        torch.testing.assert_close(torch.cat([batch[column] for batch in batches]), wanted, rtol=0, atol=0)


def test_the_own_classifier_is_cross_entropy() -> None:
    scores, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    expected = -scores.log_softmax(1)[torch.arange(4), labels].mean()
    torch.testing.assert_close(ClassifierLoss()(scores, torch.empty(0), labels), expected)


@pytest.mark.parametrize("values", [{"batch_norm": "frozen"}, {"batch_size": 0}, {"size": 3}])
def test_bad_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Capability.model_validate(values)


def test_agreement_is_the_divergence_of_the_whole_network_from_the_dense_one(task: Task) -> None:
    def probabilities(features: torch.Tensor) -> torch.Tensor:
        return task.tail(features).double().softmax(dim=1)

    expected = []
    for genome in GENOMES:
        dense, own = probabilities(task.references), probabilities(pruned(task, genome).eval()(task.inputs))
        expected.append(float((dense * (dense / own).log()).sum(dim=1).mean()))
    found = Agreement(batch_norm="running").evaluate(GENOMES, task)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)
    assert found[0] == pytest.approx(0, abs=1e-7)
    assert (found[1:] > 1e-4).all()


def test_agreement_looks_at_neither_labels_nor_judge(task: Task) -> None:
    blind = replace(task, labels=torch.full_like(task.labels, -1), criterion=nn.Identity())
    for batch_size in (512, 7):
        found = Agreement(batch_size=batch_size).evaluate(GENOMES, blind)
        np.testing.assert_array_equal(found, Agreement(batch_size=batch_size).evaluate(GENOMES, task))


def test_agreement_in_bf16_stays_close_to_fp32(task: Task) -> None:
    rough = replace(task, device=Device("cpu", bf16=True))
    found, exact = (Agreement(batch_norm="running").evaluate(GENOMES, of) for of in (rough, task))
    np.testing.assert_allclose(found[1:], exact[1:], rtol=0.15)
