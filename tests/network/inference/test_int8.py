"""Convolutions in eight bits: close to what floating point gives, and chosen only where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from emopms.builtin.nets.resnet import ResNetCifar
from emopms.network.inference.activation_cache import ActivationCache
from emopms.network.inference.evaluator import Evaluator
from emopms.network.inference.executor import STATISTICS_IMAGES, ExecutorSettings
from emopms.network.inference.fusion import RELU, Fused
from emopms.network.inference.int8 import Quantize, QuantizedConv
from emopms.network.inference.precision import choose_evaluator
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of
from emopms.network.runtime.device import Device

from ..networks import random_genome, randomise
from ..test_any_network import NO_SHRINKING
from ..zoo import Recipe, build, images, recipes

if TYPE_CHECKING:
    from torch import Tensor

CPU = Device("cpu", int8=True)
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


@pytest.mark.parametrize(("signed", "rounded"), [(True, 18), (False, 19)])
def test_what_enters_is_rounded_where_it_is_never_negative(signed: bool, rounded: int) -> None:
    torch.manual_seed(0)
    x = features(size=32, signed=signed)
    sub = whole(ResNetCifar(20, width=8, channels=3, classes=10), x)
    in_eight = Evaluator(sub, int8_calibration=x)
    assert in_eight.int8_convolutions == rounded
    assert distance(in_eight.run(x, sub.dense), Evaluator(sub).run(x, sub.dense)) < 0.01


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


@given(recipes(), st.integers(0, 2**16), st.booleans(), st.booleans())
@settings(max_examples=40, phases=NO_SHRINKING)
def test_any_network_is_run_as_it_can_be(recipe: Recipe, seed: int, prune_residual: bool, bf16: bool) -> None:
    """Close to floating point wherever eight bits are chosen, and with the same bits where candidates share."""
    x = torch.cat([images(seed + shift) for shift in range(60)])
    device = Device("cpu", bf16=bf16, int8=True)
    (sub,) = subnetworks_of(build(recipe, seed), [], images(seed), prune_residual=prune_residual)
    choose = {"batch_statistics": True, "int8": True}
    alone, _ = choose_evaluator(sub, x, device, ActivationCache(0), **choose)
    sharing, why = choose_evaluator(sub, x, device, ActivationCache(2**26), **choose)
    plain = Evaluator(sub)
    first, then = random_genome(sub, seed), random_genome(sub, seed + 1)
    middle = len(first) // 2
    mixed = sub.repair(np.concatenate([first[:middle], then[middle:]])[None], np.ones(len(first)))[0]
    with torch.inference_mode(), device.autocast():
        for genome in (first, mixed, then, first):
            found = sharing.run(x, genome)
            assert torch.equal(found, alone.run(x, genome))
            assert found.isfinite().all()
            if why.startswith("in int8"):
                assert distance(found.float(), plain.run(x, genome).float()) < 0.05


def choice(sub: SubNetwork, x: Tensor, device: Device = CPU, **asked: bool) -> tuple[int, str]:
    found, why = choose_evaluator(
        sub, x, device, ActivationCache(0), **{"batch_statistics": True, "int8": True, **asked}
    )
    return found.int8_convolutions, why


def test_the_choice_is_explained() -> None:
    x = features()
    sub = whole(block("bias"), x)
    rounded, why = choice(sub, x)
    assert rounded == 3
    assert why.startswith("in int8: 3 convolutions")
    assert choice(sub, x, Device("cpu", bf16=True)) == (0, "in bf16: this device has no fast int8")
    assert choice(sub, x, int8=False) == (0, "in fp32: an objective asks for it")
    assert choice(sub, x, batch_statistics=False) == (0, "in fp32: an objective asks for it")


def test_eight_bits_are_not_chosen_where_nothing_can_take_them() -> None:
    x = features()
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 4, 3), nn.Flatten())
    assert choice(whole(network, x), x) == (0, "in fp32: no convolution can be quantised to int8")


def test_eight_bits_are_not_chosen_where_there_is_no_memory_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Fused, x: Tensor, other: Tensor | None = None) -> Tensor:
        raise MemoryError

    monkeypatch.setattr(Fused, "forward", full)
    rounded, why = choice(whole(block("bias"), x := features()), x)
    assert (rounded, why) == (0, "in fp32: there is not enough memory to calibrate int8")


def test_eight_bits_are_not_chosen_where_they_are_too_few() -> None:
    x, network = features(), block("bias")
    with torch.no_grad():
        network.get_parameter("stem_norm.weight")[0] = 1e4  # one channel drowns the others
        for layer in ("first", "last"):
            network.get_parameter(f"{layer}.weight")[:, 0] = 0
    rounded, why = choice(whole(network, x), x)
    assert rounded == 0
    assert "int8 is not precise enough" in why
