"""The device on which networks run, its number formats and its memory layout."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from emopms.documented import documented
from emopms.errors import RunError
from emopms.network.layers.attributes import kernels_of
from emopms.network.layers.modes import in_eval
from emopms.network.runtime.kernels import cpu_has_bf16, cpu_has_vnni

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from torch import Tensor


@documented
@dataclass(frozen=True)
class Device:
    """A device with its fastest number formats: bf16 autocast if the hardware supports bf16, otherwise fp32.

    Results that emopms reports are computed in fp32: measure them outside `autocast`.
    """

    type: str
    """PyTorch's device type, ``cpu`` or ``cuda``."""
    bf16: bool = False
    """Whether autocast uses bf16."""
    int8: bool = False
    """Whether int8 convolutions may be faster than convolutions in floating point."""
    layout: torch.memory_format = torch.channels_last
    """Memory layout of images and of convolution weights."""

    @classmethod
    def choose(cls, name: str) -> Device:
        """Return the device for ``auto``, ``cpu`` or ``cuda``.

        Raises:
            RunError: The name is not one of these, or it is ``cuda`` and PyTorch finds no CUDA device.
        """
        if name not in ("auto", "cpu", "cuda"):
            raise RunError(
                f"There is no device {name!r}.",
                remedy="Use auto, cpu or cuda; the variable CUDA_VISIBLE_DEVICES chooses one of several GPUs.",
            )
        available = torch.cuda.is_available()
        if name == "cuda" and not available:
            raise RunError(
                "Device cuda was asked for, but torch sees no CUDA device.",
                remedy="Use --device auto or cpu, or install a CUDA build of torch.",
            )
        if name == "cuda" or (name == "auto" and available):
            torch.backends.cudnn.deterministic = True  # equal seeds on one machine give equal results
            return cls("cuda", bf16=torch.cuda.is_bf16_supported(including_emulation=False))
        return cls("cpu", bf16=cpu_has_bf16(), int8=cpu_has_vnni())

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context in which PyTorch computes in this device's floating-point format."""
        return torch.autocast(self.type, dtype=torch.bfloat16, enabled=self.bf16)

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to this device, and its convolution weights to the device's memory layout."""
        return in_layout(network.to(self.type), self.layout)

    def images(self, pixels: Tensor) -> Tensor:
        """Move a batch of images [N, C, H, W] to this device, in the device's memory layout."""
        return pixels.to(self.type, memory_format=self.layout, non_blocking=True)

    def fitted(self, network: nn.Module, example: Tensor) -> Device:
        """Return this device with the layout and number formats that suit a network.

        A network that cannot run in the channels-last layout gets the contiguous layout. An example is a network that
        flattens feature maps by ``view``. On the CPU, a network for which oneDNN gives wrong bf16 gradients gets fp32.

        Args:
            network: The network. It is not changed.
            example: A batch of images [N, C, H, W].
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
    """Turn off TF32 in convolutions within the context. In other operations, TF32 is off by default."""
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def in_layout(network: nn.Module, memory_format: torch.memory_format) -> nn.Module:
    """Convert a network's convolution weights to a memory format, in place.

    Other tensors are never converted to channels-last, because a tensor of four dimensions need not be an image or a
    convolution weight.
    """
    if memory_format == torch.contiguous_format:
        network.to(memory_format=memory_format)  # type: ignore[call-overload]  # missing from PyTorch's stubs
    else:
        for kernel in kernels_of(network).values():
            kernel.data = kernel.data.to(memory_format=memory_format)
    return network


def _strides_past_its_input(network: nn.Module, example: Tensor) -> bool:
    """Return whether a convolution's stride exceeds the size of its input.

    For such a convolution, some kernel positions see only padding. oneDNN 3.12 (torch 2.13) does not initialise the
    bf16 weight gradients of these positions. Weights then become noise or NaN, without an error.
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
