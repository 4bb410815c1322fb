"""Where computation runs, and in which numbers and memory layout."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from emopms.errors import RunError
from emopms.network.layers.modes import in_eval

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from torch import Tensor


@dataclass(frozen=True)
class Device:
    """A device with the number format that pays on it: bf16 autocast where the hardware has it, else fp32.

    Results are reported in fp32: measure them outside `autocast`.
    """

    type: str
    bf16: bool = False
    int8: bool = False
    """Whether convolutions in eight bits are faster still."""
    layout: torch.memory_format = torch.channels_last

    @classmethod
    def choose(cls, name: str) -> Device:
        """``auto``, ``cpu`` or ``cuda``.

        Raises:
            RunError: CUDA was asked for and is not there.
        """
        available = torch.cuda.is_available()
        if name == "cuda" and not available:
            raise RunError(
                "Device cuda was asked for, but torch sees no CUDA device.",
                remedy="Use --device auto or cpu, or install a CUDA build of torch.",
            )
        if name == "cuda" or (name == "auto" and available):
            torch.backends.cudnn.deterministic = True  # same seed, same machine, same result
            return cls("cuda", bf16=torch.cuda.is_bf16_supported(including_emulation=False))
        return cls("cpu", bf16=_cpu_has_bf16(), int8=_cpu_has_vnni())

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.type, dtype=torch.bfloat16, enabled=self.bf16)

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network here, convolutions in this device's layout."""
        return in_layout(network.to(self.type), self.layout)

    def images(self, pixels: Tensor) -> Tensor:
        """Move a batch of images [N, C, H, W] here, in this device's layout."""
        return pixels.to(self.type, memory_format=self.layout, non_blocking=True)

    def fitted(self, network: nn.Module, example: Tensor) -> Device:
        """This device, with what suits a network.

        Another layout for networks that cannot run in channels-last, such as those that flatten feature maps by
        ``view``; fp32 on the CPU for those in which oneDNN's bf16 gradients cannot be trusted.
        """
        device = self
        with in_eval(network), torch.no_grad():
            try:
                in_layout(network, torch.channels_last)(example.to(memory_format=torch.channels_last))
            except RuntimeError:
                device = replace(device, layout=torch.contiguous_format, int8=False)
            finally:
                in_layout(network, torch.contiguous_format)
            if self.type == "cpu" and self.bf16 and _strides_past_its_input(network, example):
                device = replace(device, bf16=False)
        return device

    def __str__(self) -> str:
        name = torch.cuda.get_device_name() if self.type == "cuda" else "cpu"
        return f"{name}, {'bf16' if self.bf16 else 'fp32'}"


@contextmanager
def fp32() -> Iterator[None]:
    """No TF32 in convolutions; elsewhere PyTorch uses none unless asked to."""
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def in_layout(network: nn.Module, memory_format: torch.memory_format) -> nn.Module:
    """Lay out a network's convolution weights in this memory format, in place."""
    network.to(memory_format=memory_format)  # type: ignore[call-overload]  # missing from PyTorch's stubs
    return network


def _cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 natively; emulated, it would be slower than fp32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _cpu_has_vnni() -> bool:
    """Whether the processor has AVX-512's instructions for 8-bit products, and PyTorch was built to use them."""
    return bool(torch.cpu._is_vnni_supported() and torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def _strides_past_its_input(network: nn.Module, example: Tensor) -> bool:
    """Whether a convolution's stride exceeds the feature map it is applied to.

    There oneDNN 3.12 (torch 2.13) leaves those taps of a bf16 weight gradient uninitialised that see only padding:
    weights turn into noise or NaN, without an error.
    """
    found: list[bool] = []

    def look(module: nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sides = zip(module.stride, module.kernel_size, inputs[0].shape[2:], strict=True)
        found.append(any(kernel > 1 and stride > size for stride, kernel, size in sides))

    hooks = [module.register_forward_hook(look) for module in network.modules() if isinstance(module, nn.Conv2d)]
    try:
        network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return any(found)
