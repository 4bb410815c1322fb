"""Probes of private operations, and what is computed when they say no."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from loguru import logger
from torch import nn

from emopms.network.inference import fusion
from emopms.network.inference.fusion import HARDSWISH, RELU, RELU6, SILU, Fused
from emopms.network.runtime import kernels

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def fresh_probes() -> Iterator[None]:
    """Each test probes anew, and leaves no answer behind."""
    probes = (
        kernels.has_fused_convolution,
        kernels.has_fused_convolution_sum,
        kernels.has_int8_convolution,
        kernels._cpu_supports,
    )
    for probe in probes:
        probe.cache_clear()
    yield
    for probe in probes:
        probe.cache_clear()


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """Messages of level DEBUG."""
    said: list[str] = []
    sink = logger.add(said.append, format="{level} {message}", level="DEBUG")
    yield said
    logger.remove(sink)


def test_an_operation_that_is_missing_is_logged_once(messages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", None)
    monkeypatch.setattr(torch.ops.onednn, "qconv_prepack", None)
    for _ in range(3):
        assert not kernels.has_fused_convolution(torch.float32, RELU)
        assert not kernels.has_fused_convolution_sum(torch.float32, relu=True)
        assert not kernels.has_int8_convolution()
    assert len(messages) == 3
    assert all(message.startswith("DEBUG") and " is not used: " in message for message in messages)


def test_an_operation_that_gives_another_value_is_not_used(
    messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernels.has_onednn():
        pytest.skip("this PyTorch has no oneDNN")
    right = torch.ops.mkldnn._convolution_pointwise
    monkeypatch.setattr(torch.ops.mkldnn, "_convolution_pointwise", lambda *args: right(*args) + 1)
    assert not kernels.has_fused_convolution(torch.float32, RELU)
    assert "gives a wrong value" in messages[0]


def test_the_processor_says_what_it_has() -> None:
    assert kernels.cpu_has_bf16() in (False, True)
    assert kernels.cpu_has_vnni() in (False, True)


def test_without_onednn_nothing_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not kernels.has_fused_convolution(torch.float32)
    assert not kernels.has_int8_convolution()
    assert not kernels.cpu_has_vnni()


def test_a_query_of_the_processor_that_is_missing_means_no(
    messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_vnni_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert not kernels.cpu_has_bf16()
    assert not kernels.cpu_has_vnni()
    assert len(messages) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("activation", [None, RELU, RELU6, SILU, HARDSWISH])
@pytest.mark.parametrize("with_sum", [False, True])
@torch.no_grad()
def test_public_operations_give_what_the_fused_one_gives(
    dtype: torch.dtype, activation: kernels.Activation | None, with_sum: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    operation = Fused(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6).eval(), activation).to(dtype)
    for layer in operation.layers:
        layer.to(dtype)
    x = torch.randn(2, 4, 8, 8).to(dtype, memory_format=torch.channels_last)
    other = torch.randn(2, 6, 8, 8).to(dtype, memory_format=torch.channels_last) if with_sum else None
    fused = operation(x, other)
    monkeypatch.setattr(fusion, "has_fused_convolution", lambda *_: False)
    monkeypatch.setattr(fusion, "has_fused_convolution_sum", lambda *_, **__: False)
    tolerance = 1e-5 if dtype == torch.float32 else 5e-2
    torch.testing.assert_close(operation(x, other), fused, rtol=tolerance, atol=tolerance)
