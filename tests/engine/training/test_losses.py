"""The loss of a classifier: smoothed labels, mixed images, a teacher."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emopms.engine.training.losses import supervised_loss
from emopms.spec import FinetuneSettings, Training

IMAGES, LABELS = torch.randn(64, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 5


class Scores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 5)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        scores: Tensor = self.layer(images.flatten(1))
        return scores


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_anything_else_it_is_cross_entropy() -> None:
    network = Scores().eval()
    loss, generator = supervised_loss(Training(), network), rng()
    state = generator.get_state()
    assert torch.equal(loss(IMAGES, LABELS, generator), F.cross_entropy(network(IMAGES), LABELS))
    assert network.training
    assert torch.equal(generator.get_state(), state), "nothing is drawn"


def test_smoothed_labels() -> None:
    network = Scores()
    loss = supervised_loss(Training(label_smoothing=0.3), network)
    assert torch.equal(loss(IMAGES, LABELS, rng()), F.cross_entropy(network(IMAGES), LABELS, label_smoothing=0.3))


def test_mixed_images_have_mixed_losses() -> None:
    network = Scores()
    loss = supervised_loss(Training(mixup=1.0), network)
    found = loss(IMAGES, LABELS, rng())
    (mixed,) = network.seen
    assert not torch.equal(mixed, IMAGES)
    assert torch.equal(found, loss(IMAGES, LABELS, rng())), "the generator determines it"
    assert not torch.equal(found, loss(IMAGES, LABELS, rng(1)))


def test_the_share_and_the_partner_are_recovered() -> None:
    """With one-hot images the mixed image shows both, and the loss is linear in them."""
    network = Scores()
    images, labels = torch.eye(16).view(16, 1, 4, 4), torch.arange(16) % 5
    found = supervised_loss(Training(mixup=1.0), network)(images, labels, rng(3))
    (mixed,) = network.seen
    weights = mixed.flatten(1)
    assert torch.allclose(weights.sum(dim=1), torch.ones(16))
    moved = weights.diagonal() < 0.999
    share = float(weights.diagonal()[moved][0])
    partners = torch.where(moved, weights.clone().fill_diagonal_(0).argmax(dim=1), torch.arange(16))
    scores = network(mixed)
    expected = share * F.cross_entropy(scores, labels) + (1 - share) * F.cross_entropy(scores, labels[partners])
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_the_teacher_sees_the_mixed_images() -> None:
    network, teacher = Scores(), Scores()
    supervised_loss(FinetuneSettings(mixup=0.4), network, teacher)(IMAGES, LABELS, rng())
    assert torch.equal(network.seen[0], teacher.seen[0])
    assert not network.seen[0].equal(IMAGES)


def test_without_distillation_the_teacher_is_not_asked() -> None:
    network, teacher = Scores(), Scores()
    settings = FinetuneSettings(distill=False)
    loss = supervised_loss(settings, network, teacher)(IMAGES, LABELS, rng())
    assert torch.equal(loss, F.cross_entropy(network(IMAGES), LABELS))
    assert not teacher.seen
