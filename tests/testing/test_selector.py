from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from emopms.api import Selector, TrainedSelector
from emopms.network.criteria import FeatureDistance, LinearProbeLoss
from emopms.testing import SelectorConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path

CALLS = count()
distance = FeatureDistance()


class Formula(nn.Module):
    """A judge that is a function of its features and their reference."""

    def __init__(self, loss: Any) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, features: Any, reference: Any, labels: Any) -> Any:
        return self.loss(features, reference)


class Owner(nn.Module):
    """Registers the rest of the network as its own."""

    def __init__(self, tail: Any) -> None:
        super().__init__()
        self.tail = tail

    def forward(self, features: Any, reference: Any, labels: Any) -> Any:
        return F.cross_entropy(self.tail(features), labels)


class Forgetful(LinearProbeLoss):
    """Keeps its weights out of its state."""

    def state_dict(self, **_: Any) -> Any:
        return {}

    def load_state_dict(self, *_: Any, **__: Any) -> Any:
        """Has nothing to load."""


class Strange(LinearProbeLoss):
    def get_extra_state(self) -> str:
        return "more"

    def set_extra_state(self, state: str) -> None:
        """Needs none."""


class Unlearning(LinearProbeLoss):
    """Learns the opposite of what it is asked."""

    def forward(self, features: Any, reference: Any, labels: Any) -> Any:
        return super().forward(features, reference, labels) * (-1 if self.training else 1)


def selector(criterion: Any, base: Any = Selector) -> Any:
    return component(base, criterion=lambda self, site: criterion(site))


def formula(loss: Any) -> Any:
    return selector(lambda site: Formula(loss))


def probe(kind: Any) -> Any:
    return selector(lambda site: kind(site.channels, site.classes, site.channel_dim), TrainedSelector)


def drawing(site: Any) -> nn.Module:
    """Weighs features by numbers that no seed decides."""
    weight = 1.0 + next(CALLS)
    return Formula(lambda f, r: distance(f, r, None) * weight)


def reversing(f: Any, r: Any) -> Any:
    return 1 / (1 + distance(f, r, None))


LOSS, MEAN = "criteria_give_one_differentiable_loss", "a_loss_is_a_mean_over_images"
DENSE, SEED = "the_dense_features_are_no_worse_than_noise", "the_same_seed_gives_the_same_criterion"
STATE, MOVES = "state_can_be_stored", "moves_to_another_device"
BROKEN = [
    Broken(LOSS, selector(lambda site: lambda f, r, y: distance(f, r, y)), "return an nn.Module"),
    Broken(LOSS, formula(lambda f, r: (f - r).square()), "return a scalar tensor"),
    Broken(LOSS, formula(lambda f, r: 0.5), "The loss is 0.5"),
    Broken(LOSS, formula(lambda f, r: distance(f, r, None) / 0), "is inf"),
    Broken(LOSS, formula(lambda f, r: distance(f.detach(), r, None)), "no gradient"),
    Broken(LOSS, formula(lambda f, r: distance(f, r, None) + 0 * (f - f).norm().sqrt()), "zero or not finite"),
    Broken(LOSS, formula(lambda f, r: f.flatten().dot(torch.ones(f.numel()))), "same dtype|BFloat16"),
    Broken(MEAN, formula(lambda f, r: (f - r).square().sum()), "return the mean"),
    Broken(DENSE, formula(reversing), "lower is better"),
    Broken(DENSE, probe(Unlearning), "Trained on its own loss"),
    Broken(SEED, selector(drawing), "Criteria made with one seed"),
    Broken(SEED, formula(lambda f, r: distance(f, r, None) + next(CALLS)), "Called twice"),
    Broken(STATE, probe(Forgetful), "With its state loaded"),
    Broken(STATE, probe(Strange), r"more than tensors: \['_extra_state'\]"),
    Broken("the_rest_of_the_network_is_not_its_own", selector(lambda site: Owner(site.tail)), "without registering"),
    Broken(MOVES, formula(lambda f, r: (f + torch.ones(f.shape)).mean()), "Moved to another device, a criterion fails"),
    Broken(MOVES, formula(lambda f, r: torch.ones(())), "its loss is on cpu"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(SelectorConformance, tmp_path)
