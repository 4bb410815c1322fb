"""Tests the MACs of timm's networks whose layers compute position biases once for all images of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from emopms_timm import Timm

from emopms.network import count, fit_to, pruned_state, subnetworks_of

SHAPE = (3, 32, 32)
IMAGES = torch.zeros(3, *SHAPE)
SWIN: dict[str, Any] = {"window_size": 4, "embed_dim": 24, "depths": [1, 1], "num_heads": [2, 4]}
VIT: dict[str, Any] = {"patch_size": 8, "depth": 2, "embed_dim": 48, "num_heads": 4}


@pytest.mark.parametrize(
    ("model", "args"),
    [("swinv2_tiny_window8_256", SWIN), ("swinv2_cr_tiny_224", SWIN), ("vit_relpos_small_patch16_224", VIT)],
)
def test_costs_are_predicted_as_they_are_counted(model: str, args: dict[str, Any]) -> None:
    backbone = Timm(model=model, args=args)
    dense, pruned = (backbone.build(input_shape=SHAPE, classes=3) for _ in range(2))
    (sub,) = subnetworks_of(dense, [], IMAGES)
    genome = np.random.default_rng(0).random((1, sub.channels.genes)) < 0.5
    genome = sub.repair(genome, np.zeros(sub.channels.genes))
    fit_to(pruned, pruned_state(dense, [(sub.channels, genome[0])]))
    assert sub.costs.macs(sub.dense[None]).tolist() == [count(dense, IMAGES).macs] == [count(dense, IMAGES[:1]).macs]
    assert sub.costs.macs(genome).tolist() == [count(pruned, IMAGES).macs]
