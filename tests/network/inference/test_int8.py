"""Convolutions in int8: close to floating point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from emopms.builtin.nets.resnet import ResNetCifar
from emopms.network.inference.evaluator import Evaluator
from emopms.network.inference.executor import STATISTICS_IMAGES, ExecutorSettings
from emopms.network.inference.fusion import RELU, Fused
from emopms.network.inference.int8 import Quantize, QuantizedConv
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of

from ..networks import random_genome, randomise

if TYPE_CHECKING:
    from torch import Tensor

COUNT = STATISTICS_IMAGES + 20


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).square().sum() / expected.square().sum())


def features(channels: int = 3, size: int = 16, *, signed: bool = True) -> Tensor:
    x = torch.randn(COUNT, channels, size, size, generator=torch.Generator().manual_seed(0))
    return (x if signed else x.relu()).contiguous(memory_format=torch.channels_last)


def whole(network: nn.Module, x: Tensor) -> SubNetwork:
    (sub,) = subnetworks_of(network.eval(), [], x[:2])
    return sub


class Block(nn.Module):
    """A residual block in the middle of a network, in several ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.stem, self.stem_norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.first, self.first_norm = nn.Conv2d(8, 6, 3, padding=1, bias=way == "bias"), nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 8, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(8, affine=way != "plain")
        self.side, self.side_norm = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.last, self.last_norm = nn.Conv2d(8, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem_norm(self.stem(x)))
        if self.way == "pool":
            x = F.max_pool2d(x, 2)
        side = self.side_norm(self.side(x)) if self.way == "projection" else x
        y = self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))
        y = side + y if self.way == "swapped" else y + side
        y = F.relu(y)
        if self.way == "used again":
            y = y + y.mean(dim=1, keepdim=True)
        scores: Tensor = self.last_norm(self.last(y)).mean((2, 3))
        return scores


def block(way: str) -> nn.Module:
    torch.manual_seed(0)
    network = Block(way)
    randomise(network, 0)
    return network.float()


@pytest.mark.parametrize(
    ("way", "rounded"),
    [("bias", 3), ("plain", 3), ("swapped", 3), ("pool", 0), ("projection", 0)],
)
@pytest.mark.parametrize("bf16", [False, True])
def test_values_are_close_to_those_in_floating_point(way: str, rounded: int, bf16: bool) -> None:
    x = features()
    sub = whole(block(way), x)
    in_eight, plain = Evaluator(sub, int8_calibration=x), Evaluator(sub)
    assert in_eight.int8_convolutions == rounded
    for seed in range(3):
        genome = random_genome(sub, seed)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            found = in_eight.run(x, genome).float()
        assert distance(found, plain.run(x, genome)) < 0.01


class Alone(nn.Module):
    """A residual block of one convolution, which is given what is added to it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.only, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.last, self.last_norm = nn.Conv2d(channels, 16, 3, padding=1), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem_norm(self.stem(x)))
        scores: Tensor = self.last_norm(self.last(F.relu(self.norm(self.only(x)) + x)))
        return scores


@pytest.mark.parametrize("channels", [16, 32])
def test_what_a_convolution_reads_is_not_overwritten_by_its_sum(channels: int) -> None:
    torch.manual_seed(0)
    x = features(size=12)
    sub = subnetworks_of(Alone(channels).eval(), [], x[:2], prune_residual=True)[0]
    in_eight = Evaluator(sub, int8_calibration=x)
    assert in_eight.int8_convolutions == 2
    assert distance(in_eight.run(x, sub.dense), Evaluator(sub).run(x, sub.dense)) < 1e-3


def test_what_candidates_do_not_share_is_quantised_where_that_pays() -> None:
    x = features()
    sub = whole(block("projection"), x)
    in_eight = Evaluator(sub, int8_calibration=x, settings=ExecutorSettings(min_multiplications_per_element=60))
    assert in_eight.int8_convolutions == 4
    for seed in range(3):
        genome = random_genome(sub, seed)
        assert distance(in_eight.run(x, genome), Evaluator(sub).run(x, genome)) < 0.01


@pytest.mark.parametrize(("size", "apart"), [(8, 1), (16, 2)])
def test_large_maps_teach_batch_norm_by_every_second_row_and_column(size: int, apart: int) -> None:
    torch.manual_seed(0)
    convolution, norm, source = nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8), Quantize()
    operation = QuantizedConv(
        Fused(convolution, norm, RELU), source, None, int8_output=False, overwrites_residual=False
    )
    source.scale, operation.learning = 0.02, True
    x = torch.randint(0, 60, (STATISTICS_IMAGES, 4, size, size), dtype=torch.uint8)
    x[:, :, ::2, ::2] *= 4
    with torch.no_grad():
        found = operation(x)
        plain = convolution(x * 0.02)
        variance, mean = torch.var_mean(plain[:, :, ::apart, ::apart], dim=(0, 2, 3), keepdim=True, correction=0)
        expected = F.relu((plain - mean) / (variance + norm.eps).sqrt())
    assert distance(found, expected) < 1e-4


def test_negative_factors_of_batch_norm_are_kept() -> None:
    x, network = features(), block("bias")
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight[::2] = -module.weight[::2].abs() - 0.5
    sub = whole(network, x)
    assert distance(Evaluator(sub, int8_calibration=x).run(x, sub.dense), Evaluator(sub).run(x, sub.dense)) < 0.01


def test_what_is_used_in_other_ways_stays_in_floating_point() -> None:
    x = features()
    sub = whole(block("used again"), x)
    in_eight = Evaluator(sub, int8_calibration=x)
    assert in_eight.int8_convolutions == 2, "the last one convolves what something else is done with"
    assert distance(in_eight.run(x, sub.dense), Evaluator(sub).run(x, sub.dense)) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("signed", "rounded"), [(True, 18), (False, 19)])
def test_what_enters_is_rounded_where_it_is_never_negative(signed: bool, rounded: int) -> None:
    torch.manual_seed(0)
    x = features(size=32, signed=signed)
    sub = whole(ResNetCifar(20, width=8, channels=3, classes=10), x)
    in_eight = Evaluator(sub, int8_calibration=x)
    assert in_eight.int8_convolutions == rounded
    assert distance(in_eight.run(x, sub.dense), Evaluator(sub).run(x, sub.dense)) < 0.01


@pytest.mark.slow
def test_rounding_does_not_change_the_order_of_candidates() -> None:
    torch.manual_seed(0)
    x = features(size=32)
    sub = whole(ResNetCifar(20, width=8, channels=3, classes=10), x)
    in_eight, plain = Evaluator(sub, int8_calibration=x), Evaluator(sub)
    dense = plain.run(x, sub.dense)
    genomes = [random_genome(sub, seed) for seed in range(12)]
    found, expected = (
        [distance(evaluator.run(x, genome), dense) for genome in genomes] for evaluator in (in_eight, plain)
    )
    assert np.corrcoef(np.argsort(np.argsort(found)), np.argsort(np.argsort(expected)))[0, 1] > 0.99
