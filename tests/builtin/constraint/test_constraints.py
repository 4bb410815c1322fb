from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from emopms.api import ChainStep, ConstraintTraining
from emopms.builtin.constraint.feature import Feature
from emopms.builtin.constraint.none import Unconstrained
from emopms.network.criteria import ClassifierLoss, FeatureDistance, LinearProbeLoss
from emopms.network.partition.subnetwork import subnetworks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def test_no_constraint_has_nothing_to_set() -> None:
    assert not isinstance(Unconstrained(), ConstraintTraining)
    with pytest.raises(ValidationError):
        Unconstrained.model_validate({"epochs": 1})


@pytest.mark.parametrize("values", [{"weight": -0.1}, {"dense": -1.0}, {"epochs": -1}, {"lr": 0}, {"batch_size": 0}])
def test_bad_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Feature.model_validate(values)


class Setting:
    """Three sub-networks after some training, so that they are no longer those that gave the references."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        stages = [
            nn.Sequential(nn.Conv2d(incoming, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))
            for incoming in (2, 3)
        ]
        head = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
        network = nn.Sequential(*stages, head)
        images = torch.randn(6, 2, 5, 5)
        self.subnetworks = subnetworks_of(network, ["0", "1"], images)
        self.references = [images]
        network.eval()
        with torch.no_grad():
            for sub in self.subnetworks:
                self.references.append(sub.forward(self.references[-1]))
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        network.train()
        self.parameters = [list(sub.module.parameters()) for sub in self.subnetworks]
        self.criteria = [LinearProbeLoss(3, 3).eval().requires_grad_(False) for _ in stages] + [ClassifierLoss()]
        self.drawn: list[int] = []
        self.genomes = [np.array([True, False, True, True]) for _ in self.subnetworks]

    def step(self) -> ChainStep:
        def draw(index: int) -> NDArray[Any]:
            self.drawn.append(index)
            return self.genomes[index]

        return ChainStep(self.references, torch.tensor([0, 1, 2, 0, 1, 2]), self.subnetworks, self.criteria, draw)

    def own_losses(self, constraint: Feature) -> list[Tensor]:
        """Each sub-network's own loss, computed one by one on detached inputs."""
        distance, step = FeatureDistance(), self.step()
        received, losses = self.references[0], []
        for sub, genome, criterion in zip(self.subnetworks, self.genomes, self.criteria, strict=True):
            reference = self.references[sub.index + 1]
            outputs = (sub.forward(self.references[sub.index]), sub.forward(received, genome))
            terms = [
                criterion(output, reference, step.labels) + constraint.weight * distance(output, reference, step.labels)
                for output in outputs
            ]
            losses.append(constraint.dense * terms[0] + terms[1])
            received = outputs[1].detach()
        return losses


@pytest.mark.parametrize(("weight", "dense"), [(1.0, 3.0), (0.0, 1.0), (2.5, 0.0)])
def test_the_loss_is_the_sum_of_all_own_losses(weight: float, dense: float) -> None:
    constraint, setting = Feature(weight=weight, dense=dense), Setting()
    loss = constraint.loss(setting.step())
    assert loss.shape == ()
    torch.testing.assert_close(loss, torch.stack(setting.own_losses(constraint)).sum())


def test_each_subnetwork_learns_from_its_own_loss_alone() -> None:
    setting = Setting()
    total = Feature().loss(setting.step())
    for own, parameters in zip(setting.own_losses(Feature()), setting.parameters, strict=True):
        found = torch.autograd.grad(total, parameters, retain_graph=True)
        expected = torch.autograd.grad(own, parameters, retain_graph=True)
        torch.testing.assert_close(found, expected)
        assert all(gradient.isfinite().all() for gradient in found)
        # the bias of a convolution before batch norm changes nothing, so it is left out
        assert all(gradient.count_nonzero() for gradient in found if gradient.dim() > 1)


def test_neither_judges_nor_references_learn() -> None:
    setting = Setting()
    torch.autograd.backward(Feature().loss(setting.step()))
    assert all(parameter.grad is None for criterion in setting.criteria for parameter in criterion.parameters())
    assert all(reference.grad is None for reference in setting.references)


def test_one_genome_is_drawn_for_each_subnetwork_in_order() -> None:
    setting = Setting()
    Feature().loss(setting.step())
    assert setting.drawn == [0, 1, 2]


def test_training_on_it_brings_the_loss_down() -> None:
    setting = Setting()
    parameters = [parameter for own in setting.parameters for parameter in own]
    optimiser = torch.optim.SGD(parameters, lr=0.005)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        loss = Feature().loss(setting.step())
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
