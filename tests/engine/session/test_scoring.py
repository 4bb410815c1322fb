"""Measuring networks: many pruned ones at once, and single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from loguru import logger

from emopms.api import Images
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.data.digits import Digits
from emopms.builtin.objective.capability import Capability
from emopms.engine.images.image_sets import ImageSet
from emopms.engine.session.scoring import Scorer, predictions, score
from emopms.engine.storage.journal import Journal
from emopms.network.inference.evaluator import Evaluator
from emopms.network.partition.divided_network import divide_network
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_candidates_are_measured_like_one_by_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, owner="test")
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = SmallResNet(widths=(4, 4, 8)).build(input_shape=(1, 8, 8), classes=3).eval()
    divided = divide_network(network, ["stage1", "stage2"], torch.zeros(2, 1, 8, 8))
    device = Device("cpu")
    pixels = rng.integers(0, 256, (700, 1, 8, 8), dtype=np.uint8)
    images = ImageSet(Images(pixels, rng.integers(0, 3, 700)), Digits(), device)
    genomes = rng.random((12, divided.channels.genes)) < 0.7
    genomes[:, [group.start for group in divided.channels.groups]] = True
    genomes = genomes[rng.integers(0, 12, 14)]  # some twice
    steps: list[int] = []
    scores = Scorer(divided.whole, images, device).score(genomes, journal, on_batch=steps.append)
    assert steps == [14, 14]
    again = Scorer(divided.whole, images, device).score(genomes, journal)
    assert again == scores, "what is in the journal is not measured again, and comes to the same"
    held = Scorer(divided.whole, images, device, hold=True)
    assert [*held.score(genomes[:5]), *held.score(genomes[5:])] == scores, "bit by bit, with whomever"
    evaluators = [Evaluator(sub) for sub in divided.parts]
    cuts = np.cumsum([sub.channels.genes for sub in divided.parts])[:-1]
    for genome, measured in zip(genomes, scores, strict=True):

        def chain(features: torch.Tensor, genome: np.ndarray[tuple[int], np.dtype[np.bool_]] = genome) -> torch.Tensor:
            for evaluator, part in zip(evaluators, np.split(genome, cuts), strict=True):
                features = evaluator.run(features, part)
            return features

        alone = score(chain, images, device)
        assert measured.accuracy == alone.accuracy
        assert measured.loss == pytest.approx(alone.loss, rel=1e-5), "but for the number of threads"


@pytest.mark.parametrize("precision", ["auto", "float"])
def test_whole_networks_are_run_as_the_objectives_ask(precision: str) -> None:
    torch.manual_seed(0)
    network = SmallResNet(widths=(4, 4, 8)).build(input_shape=(1, 8, 8), classes=3).eval()
    divided = divide_network(network, ["stage1", "stage2"], torch.zeros(2, 1, 8, 8))
    device = Device("cpu", int8=True)
    images = ImageSet(Images(np.zeros((64, 1, 8, 8), dtype=np.uint8), np.zeros(64, int)), Digits(), device)
    asked = Capability.model_validate({"precision": precision})
    said: list[str] = []
    sink = logger.add(said.append, format="{message}")
    Scorer(divided.whole, images, device, int8=not asked.in_floating_point).score(divided.whole.dense[None])
    logger.remove(sink)
    assert ("an objective asks for it" in said[0]) == (precision == "float")


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
