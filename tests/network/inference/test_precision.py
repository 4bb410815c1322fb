"""The choice of int8: made only if its values are close to floating point, and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from emopms.network.inference import precision
from emopms.network.inference.activation_cache import ActivationCache
from emopms.network.inference.evaluator import Evaluator
from emopms.network.inference.fusion import Fused
from emopms.network.inference.precision import choose_evaluator
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of
from emopms.network.runtime.device import Device
from tests.examples import scaled

from ..networks import random_genome
from ..test_any_network import NO_SHRINKING
from ..zoo import Recipe, build, images, recipes
from .test_int8 import block, distance, features, whole

if TYPE_CHECKING:
    import pytest
    from torch import Tensor

CPU = Device("cpu", int8=True)


@given(recipes(), st.integers(0, 2**16), st.booleans(), st.booleans())
@settings(max_examples=scaled(40), phases=NO_SHRINKING)
def test_any_network_is_run_as_it_can_be(recipe: Recipe, seed: int, prune_residual: bool, bf16: bool) -> None:
    """Close to floating point wherever int8 is chosen, and bit-identical with and without a cache."""
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


def test_without_the_int8_operation_floating_point_gives_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = features()
    sub = whole(block("bias"), x)
    ask = {"batch_statistics": True, "int8": True}
    quantized, _ = choose_evaluator(sub, x, CPU, ActivationCache(0), **ask)
    monkeypatch.setattr(precision, "has_int8_convolution", lambda: False)
    plain, why = choose_evaluator(sub, x, CPU, ActivationCache(0), **ask)
    assert why == "in fp32: this PyTorch has no working int8 convolution"
    assert plain.int8_convolutions == 0
    genome = random_genome(sub, 0)
    assert distance(plain.run(x, genome), quantized.run(x, genome)) < 0.01
