"""Tests whether private operations of PyTorch work. Another version of PyTorch may lack or change such operations.

Each test runs once per process. It calls the private operation on a small tensor, and compares the result with the
result of public operations. If the test fails, callers use public operations instead.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from loguru import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Activation(NamedTuple):
    """An activation function that oneDNN can apply in the same pass as a convolution."""

    function: Callable[..., Tensor]
    """The function of PyTorch that computes the activation. It accepts ``inplace=True``."""
    name: str
    """Name of the activation in oneDNN."""
    scalars: tuple[float, ...] = ()
    """Parameters of the activation in oneDNN."""


@cache
def has_fused_convolution(dtype: torch.dtype, activation: Activation | None = None) -> bool:
    """Return whether oneDNN computes a convolution and an activation function in one operation on the CPU."""

    def is_right() -> bool:
        x, weight, bias, _ = _convolution_example(dtype)
        name, scalars = (activation.name, activation.scalars) if activation else ("none", ())
        y = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, (1, 1), (1, 1), (1, 1), 1, name, scalars, "")
        expected = F.conv2d(x.float(), weight.float(), bias.float(), padding=1)
        return _is_close(y, activation.function(expected) if activation else expected)

    return _probe(f"mkldnn._convolution_pointwise ({dtype}, {activation.name if activation else 'none'})", is_right)


@cache
def has_fused_convolution_sum(dtype: torch.dtype, *, relu: bool) -> bool:
    """Return whether oneDNN convolves and adds a tensor in one operation on the CPU.

    Args:
        dtype: Dtype of the tensors.
        relu: Whether the operation must also apply ReLU to the sum.
    """

    def is_right() -> bool:
        x, weight, bias, other = _convolution_example(dtype)
        geometry = (1, 1), (1, 1), (1, 1), 1
        y = torch.ops.mkldnn._convolution_pointwise.binary(
            x, other, weight, bias, *geometry, "add", None, "relu" if relu else None, (), ""
        )
        expected = F.conv2d(x.float(), weight.float(), bias.float(), padding=1) + other.float()
        return _is_close(y, expected.relu() if relu else expected)

    return _probe(f"mkldnn._convolution_pointwise.binary ({dtype}{', relu' if relu else ''})", is_right)


@cache
def has_int8_convolution() -> bool:
    """Return whether oneDNN computes int8 convolutions on the CPU, with and without adding a tensor."""
    return _probe("onednn.qconv2d_pointwise", _int8_convolution_is_right)


def cpu_has_bf16() -> bool:
    """Return whether the processor has instructions for bf16 products. Without them, bf16 is slower than fp32."""
    return _cpu_supports("_is_avx512_bf16_supported") or _cpu_supports("_is_amx_tile_supported")


def cpu_has_vnni() -> bool:
    """Return whether the processor has AVX-512 instructions for int8 products, and PyTorch was built with oneDNN."""
    return _cpu_supports("_is_vnni_supported") and has_onednn()


def has_onednn() -> bool:
    """Return whether PyTorch was built with oneDNN."""
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


@cache
def _cpu_supports(name: str) -> bool:
    query = getattr(torch.cpu, name, None)
    if query is None:
        logger.debug("torch.cpu.{} is missing in torch {}: taken as unsupported", name, torch.__version__)
    return query is not None and bool(query())


def _probe(name: str, is_right: Callable[[], bool]) -> bool:
    """Return whether an operation exists and gives the right value. If not, log the reason at DEBUG level."""
    if not has_onednn():
        logger.debug("{} is not used: torch was built without oneDNN", name)
        return False
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            right = is_right()
    except Exception as error:  # another version may raise anything
        logger.debug("{} is not used: {}", name, str(error).partition("\n")[0])
        return False
    if not right:
        logger.debug("{} is not used: it gives a wrong value in torch {}", name, torch.__version__)
    return right


def _convolution_example(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return input, weight and bias of a 3 × 3 convolution, and a tensor to add. No random numbers are drawn."""
    x = torch.linspace(-2, 2, 2 * 4 * 5 * 5).reshape(2, 4, 5, 5).to(dtype)
    weight = torch.linspace(-1, 1, 4 * 4 * 3 * 3).sin().reshape(4, 4, 3, 3).to(dtype)
    bias, other = torch.linspace(-1, 1, 4).to(dtype), x.flip(1)
    layout = torch.channels_last
    return (
        x.contiguous(memory_format=layout),
        weight.contiguous(memory_format=layout),
        bias,
        other.contiguous(memory_format=layout),
    )


def _int8_convolution_is_right() -> bool:
    """Compare int8 with fp32 convolutions on whole numbers. Their sums are too small to overflow on any processor."""
    scale, output_scale = 0.5, 2.0
    x = (torch.arange(2 * 4 * 5 * 5) % 97).reshape(2, 4, 5, 5).to(torch.uint8)
    x = x.contiguous(memory_format=torch.channels_last)
    whole = ((torch.arange(4 * 4 * 3 * 3) * 7 % 61) - 30).reshape(4, 4, 3, 3).to(torch.int8)
    scales, bias = torch.tensor([0.01, 0.02, 0.03, 0.04]), torch.tensor([1.0, -1.0, 0.5, 0.0])
    geometry = [1, 1], [1, 1], [1, 1], 1
    packed = torch.ops.onednn.qconv_prepack(whole, scales, scale, 0, *geometry, list(x.shape))
    source = x, scale, 0, packed, scales, torch.zeros(4, dtype=torch.int64)
    exact = F.conv2d(x.float() * scale, whole.float() * scales[:, None, None, None], bias, padding=1)

    def convolve(output_scale: float, dtype: torch.dtype) -> Tensor:
        y = torch.ops.onednn.qconv2d_pointwise(*source, bias, *geometry, output_scale, 0, dtype, "relu", [], "")
        return cast("Tensor", y)

    def convolve_and_add(other: Tensor, output_scale: float) -> Tensor:
        y = torch.ops.onednn.qconv2d_pointwise.binary(
            *source, other, bias, *geometry, output_scale, 0, other.dtype, output_scale, 0, "sum", 1.0, "relu", [], ""
        )
        return cast("Tensor", y)

    def quantized(y: Tensor) -> Tensor:
        return (y / output_scale).round().clamp(0, 255)

    return (
        _is_close(convolve(1.0, torch.float32), exact.relu())
        and _is_close(convolve(output_scale, torch.uint8), quantized(exact), steps=1)
        and _is_close(convolve_and_add(x.float(), 1.0), (exact + x).relu())
        and _is_close(convolve_and_add(x.clone(), output_scale), quantized(exact + x * output_scale), steps=1)
    )


def _is_close(found: Tensor, expected: Tensor, steps: float = 0) -> bool:
    """Return whether two tensors differ by at most ``steps`` plus a rounding error."""
    tolerance = 2e-2 if found.dtype == torch.bfloat16 else 1e-4
    return torch.allclose(found.float(), expected, rtol=0, atol=steps + tolerance * float(expected.abs().amax()))
