"""The loss of a classifier that is trained as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from emopms.spec import FinetuneSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.engine.training.loop import Loss
    from emopms.spec import Training


def supervised_loss(settings: Training, network: nn.Module, teacher: nn.Module | None = None) -> Loss:
    """Return the cross-entropy of a network's class scores and, with a teacher, the distance from its scores.

    The distance is the Kullback–Leibler divergence of softened class scores (Hinton et al., arXiv 1503.02531). With
    ``mixup``, each image is mixed with another of its batch, and so are their losses (Zhang et al., arXiv 1710.09412).

    Args:
        settings: The training settings of the spec.
        network: The network.
        teacher: The dense network, frozen. It is used if the settings are those of fine-tuning, and say ``distill``.
    """

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        network.train()
        share, partners = _mixed(settings.mixup, len(images), rng)
        if partners is not None:
            images = share * images + (1 - share) * images[partners]
        scores = network(images)
        own = F.cross_entropy(scores, labels, label_smoothing=settings.label_smoothing)
        if partners is not None:
            other = F.cross_entropy(scores, labels[partners], label_smoothing=settings.label_smoothing)
            own = share * own + (1 - share) * other
        if teacher is None or not isinstance(settings, FinetuneSettings) or not settings.distill:
            return own
        with torch.no_grad():
            soft = F.softmax(teacher(images).float() / settings.temperature, dim=1)
        guess = F.log_softmax(scores.float() / settings.temperature, dim=1)
        distance = F.kl_div(guess, soft, reduction="batchmean") * settings.temperature**2
        return settings.alpha * distance + (1 - settings.alpha) * own

    return loss


def _mixed(alpha: float, count: int, rng: torch.Generator) -> tuple[float, Tensor | None]:
    """Draw the share that each image keeps, and the image that it is mixed with; None if images are not mixed."""
    if not alpha:
        return 1.0, None
    seed = int(torch.randint(2**62, (), generator=rng))
    return float(np.random.default_rng(seed).beta(alpha, alpha)), torch.randperm(count, generator=rng)
