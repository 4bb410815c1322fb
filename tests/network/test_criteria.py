from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from emopms.network import criteria
from emopms.network.criteria import ClassifierLoss, FeatureDistance, LinearProbeLoss, TailLoss, distance

LABELS = torch.tensor([0, 2, 1, 2])


def test_the_classifier_loss_is_the_cross_entropy_of_the_scores() -> None:
    scores = torch.randn(4, 3)
    assert ClassifierLoss()(scores, torch.zeros(0), LABELS) == F.cross_entropy(scores, LABELS)


@pytest.mark.parametrize("channel_dim", [1, 3])
def test_a_linear_probe_finds_the_channels_and_averages_the_others(channel_dim: int) -> None:
    features = torch.randn(4, 5, 6, 7)
    width = features.shape[channel_dim]
    probe = LinearProbeLoss(width, 3, channel_dim).eval()
    pooled = features.mean([dim for dim in (1, 2, 3) if dim != channel_dim])
    torch.testing.assert_close(
        probe(features, features, LABELS), F.cross_entropy(probe.linear(probe.norm(pooled)), LABELS)
    )
    torch.testing.assert_close(probe(pooled, pooled, LABELS), probe(features, features, LABELS))


def test_a_linear_probe_standardises_with_the_statistics_of_its_training() -> None:
    features = 5 + 3 * torch.randn(64, 4)
    probe = LinearProbeLoss(4, 3)
    for _ in range(100):
        probe(features, features, torch.zeros(64, dtype=torch.long))
    probe.eval()
    labels = torch.zeros(64, dtype=torch.long)
    assert probe(features, features, labels) != probe(features + 5, features, labels)
    torch.testing.assert_close(probe.norm.running_mean, features.mean(0), rtol=1e-2, atol=1e-2)


def test_the_distance_is_relative_and_squared() -> None:
    reference = torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(distance(1.5 * reference, reference), torch.tensor(0.25))
    assert distance(reference, reference) == 0
    torch.testing.assert_close(FeatureDistance()(1.5 * reference, reference, LABELS), torch.tensor(0.25))


def test_the_length_of_a_reference_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, reference = FeatureDistance(), torch.randn(4, 3)
    first = loss(reference + 1, reference, LABELS)
    length = loss._lengths[reference]
    assert loss(reference + 1, reference, LABELS) == first
    assert loss._lengths[reference] is length


def test_of_large_maps_every_second_row_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(criteria, "_SUFFICIENT_ELEMENTS", 8)
    reference = torch.ones(2, 1, 4, 4)
    features = reference.clone()
    features[:, :, 1::2] = 7
    assert FeatureDistance()(features, reference, LABELS) == 0


def test_the_tail_is_no_part_of_the_state() -> None:
    tail = nn.Linear(5, 3)
    loss, features = TailLoss(tail), torch.randn(4, 5)
    assert loss.state_dict() == {}
    assert loss(features, features, LABELS) == F.cross_entropy(tail(features), LABELS)
