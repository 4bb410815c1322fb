"""Watches the calls in which a network multiplies its inputs by a weight: ``conv2d``, ``linear`` and ``batch_norm``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor


@dataclass(frozen=True)
class LinearCall:
    """A call of ``conv2d``, ``linear`` or ``batch_norm``. At each position, the outputs are a weight times the inputs.

    The positions are the pixels of the outputs, or all dimensions but those of images and channels.
    """

    inputs: Tensor
    """[N, I, height, width] of ``conv2d``, [N, …, I] of ``linear``, and normalised [N, O, …] of ``batch_norm``."""
    weight: Tensor
    """[O, I / groups, kernel height, kernel width], [O, I] or [O]."""
    bias: Tensor | None
    """[O]."""
    outputs: Tensor
    """[N, O, height, width], [N, …, O] or [N, O, …]."""
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] | str = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def positions(self) -> int:
        """Number of positions of one image."""
        return self.outputs[0].numel() // len(self.weight)

    def output_rows(self, at: Tensor) -> Tensor:
        """Return the outputs [N · places, O] at the positions ``at`` [N, places] of each image."""
        return _rows(self.outputs if self.weight.dim() == 2 else self.outputs.movedim(1, -1), at)

    def input_rows(self, at: Tensor) -> Tensor:
        """Return the inputs [N · places, groups, F] that are read at the positions ``at`` [N, places] of each image.

        F is the number of inputs of one output, in the order of the weight.
        """
        if self.weight.dim() == 1:
            return _rows(self.inputs.movedim(1, -1), at)[:, :, None]
        if self.weight.dim() == 2:
            return _rows(self.inputs, at)[:, None]
        padded, width = self._padded().movedim(1, -1), self.outputs.shape[3]
        rows, columns = (
            (first * self.stride[dim])[:, :, None]
            + self.dilation[dim] * torch.arange(self.weight.shape[2 + dim], device=at.device)
            for dim, first in enumerate((at // width, at % width))
        )
        images = torch.arange(len(at), device=at.device)[:, None, None, None]
        patches = padded[images, rows[:, :, :, None], columns[:, :, None, :]]  # [N, places, kernel, kernel, I]
        return patches.movedim(-1, 2).reshape(at.numel(), self.groups, -1)

    def _padded(self) -> Tensor:
        sides: list[int] = []
        for dim in (1, 0):  # F.pad begins with the last dimension
            if isinstance(self.padding, str):
                total = self.dilation[dim] * (self.weight.shape[2 + dim] - 1) if self.padding == "same" else 0
                sides += [total // 2, total - total // 2]
            else:
                sides += [self.padding[dim]] * 2
        return F.pad(self.inputs, sides)


class Watch(TorchFunctionMode):
    """Within the context, reports each use of certain weights.

    A use is reported at once, because later operations may overwrite its inputs and outputs.

    Args:
        weights: The names of the weights by their ids.
        report: Receives the name of the weight that is used, and the call. The call is None if it is none of those with
            this weight.
    """

    def __init__(self, weights: Mapping[int, str], report: Callable[[str, LinearCall | None], None]) -> None:
        super().__init__()
        self._weights, self._report = weights, report

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function of PyTorch, and report the weights among its arguments."""
        named = kwargs or {}
        result = func(*args, **named)
        for value in tree_leaves((args, named)):
            if (name := self._weights.get(id(value))) is not None:
                call = _CALLS[func](result, *args, **named) if func in _CALLS else None
                self._report(name, call if call is not None and call.weight is value else None)
        return result


def _linear(outputs: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> LinearCall:
    return LinearCall(input, weight, bias, outputs)


def _conv2d(
    outputs: Tensor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> LinearCall:
    sides = padding if isinstance(padding, str) else _pair(padding)
    return LinearCall(input, weight, bias, outputs, _pair(stride), sides, _pair(dilation), groups)


def _batch_norm(
    outputs: Tensor,
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> LinearCall:
    normalised = F.batch_norm(input, running_mean, running_var, training=False, eps=eps)
    return LinearCall(normalised, weight, bias, outputs, groups=len(weight))


_CALLS: Mapping[Any, Callable[..., LinearCall]] = {F.conv2d: _conv2d, F.linear: _linear, F.batch_norm: _batch_norm}
"""Functions that read a call of the PyTorch function. Their parameters are its result and its own parameters."""


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _rows(values: Tensor, at: Tensor) -> Tensor:
    """Return the rows [N · places, C] of values [N, …, C] at the positions ``at`` [N, places]."""
    flat = values.reshape(len(values), -1, values.shape[-1])
    return flat.gather(1, at[:, :, None].expand(-1, -1, flat.shape[2])).flatten(0, 1)
