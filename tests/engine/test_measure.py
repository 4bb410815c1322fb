"""Measuring joint schemes with shared prefixes gives what measuring them one by one gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emopms.api import Images
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.data.digits import Digits
from emopms.engine.data import ImageSet
from emopms.engine.measure import predictions, score, score_schemes
from emopms.network.device import Device
from emopms.network.divided import divide_network
from emopms.network.evaluator import Evaluator


def test_schemes_are_measured_like_chained_sub_networks() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = SmallResNet(widths=(4, 4, 8)).build(input_shape=(1, 8, 8), classes=3).eval()
    divided = divide_network(network, ["stage1", "stage2"], torch.zeros(2, 1, 8, 8))
    subs = divided.parts
    device = Device("cpu")
    pixels = rng.integers(0, 256, (90, 1, 8, 8), dtype=np.uint8)
    images = ImageSet(Images(pixels, rng.integers(0, 3, 90)), Digits(), device)
    evaluators = [Evaluator(sub) for sub in subs]
    genomes = [rng.random((3, sub.channels.genes)) < 0.7 for sub in subs]
    for points, sub in zip(genomes, subs, strict=True):
        points[:, [group.start for group in sub.channels.groups]] = True
    choices = rng.integers(0, 3, (12, 3))
    steps: list[int] = []
    scores = score_schemes(divided, genomes, choices, images, device, on_batch=steps.append)
    assert sum(steps) == 12 * images.parts(512)
    for choice, measured in zip(choices, scores, strict=True):

        def chain(features: torch.Tensor, choice: np.ndarray[tuple[int], np.dtype[np.intp]] = choice) -> torch.Tensor:
            for evaluator, points, point in zip(evaluators, genomes, choice, strict=True):
                features = evaluator(features, points[point])
            return features

        alone = score(chain, images, device)
        assert measured.accuracy == alone.accuracy
        assert measured.loss == pytest.approx(alone.loss, rel=1e-6), "but for the number of threads"


def test_a_score_is_the_mean_over_images_not_over_batches() -> None:
    images = ImageSet(
        Images(np.zeros((700, 1, 1, 1), dtype=np.uint8), np.r_[np.zeros(500, int), np.ones(200, int)]),
        Digits(),
        Device("cpu"),
    )
    always_zero = score(lambda pixels: torch.tensor([[2.0, 0.0]]).repeat(len(pixels), 1), images, Device("cpu"))
    assert always_zero.accuracy == 500 / 700


def test_what_is_reported_is_fp32_and_leaves_the_settings_alone() -> None:
    images = ImageSet(Images(np.zeros((5, 1, 1, 1), dtype=np.uint8), np.zeros(5, int)), Digits(), Device("cpu"))
    seen: list[tuple[bool, bool]] = []

    def network(pixels: torch.Tensor) -> torch.Tensor:
        seen.append((torch.backends.cudnn.allow_tf32, torch.is_autocast_enabled("cpu")))
        return torch.tensor([[0.0, 1.0]]).repeat(len(pixels), 1)

    before = torch.backends.cudnn.allow_tf32
    rough = Device("cpu", bf16=True)
    score(network, images, rough, exact=True)
    assert predictions(network, images).tolist() == [1] * 5
    score(network, images, rough)
    assert seen == [(False, False), (False, False), (before, True)]
    assert torch.backends.cudnn.allow_tf32 == before
