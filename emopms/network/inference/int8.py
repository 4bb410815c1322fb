"""Convolutions in eight bits: at nearly twice the rate of bf16 where the processor has VNNI instructions.

A feature map behind a ReLU is held in whole numbers from 0 to 255, times a scale: one for each feature map and all
candidates, measured on the dense network. Batch norm keeps candidates in the same range. Weights are whole numbers
from -127 to 127, times a scale for each output channel, which does the batch norm's work as well.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from emopms.network.graph.trace import shape_of, with_source
from emopms.network.inference.fusion import RELU, Fused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, fx

_PAYS = 128
"""Multiplications of each number by the convolutions that want it, from which on it pays to round it first."""
_ENOUGH = 2**13
"""Positions of a feature map, in all images, whose mean and variance are as good as those of four times as many:
neighbours are much alike."""
_HEADROOM = 1.25
"""How much larger than anything in the dense network a candidate's activations may get before they are cut off."""
_TRIALS = ((torch.uint8, 1), (torch.float32, 1), (torch.float32, 0.5))
"""Dtypes and factors that tell whether a layer does the same before rounding and behind it."""


class Quantize(nn.Module):
    """Where eight bits begin."""

    scale = 0.0
    """What a one stands for."""
    measuring = False

    def forward(self, x: Tensor) -> Tensor:
        if self.measuring:
            self.scale = _scale_of(x)
            return x
        return rounded(x, self.scale)


class QuantizedConv(Fused):
    """A fused convolution with eight bits at either end, or both.

    Args:
        fused: What it takes the place of.
        takes: What makes the 8-bit tensor that it convolves; None where that is none.
        adds: What makes the 8-bit tensor that it adds, if any.
        gives: Whether it hands on eight bits.
        overwrites: Whether nobody needs what it adds any more.
    """

    scale = 0.0
    """What a one stands for, in what it hands on."""
    measuring = False
    """Whether it runs in floating point, to find its scale."""

    def __init__(
        self,
        fused: Fused,
        takes: Quantize | QuantizedConv | None,
        adds: Quantize | QuantizedConv | None,
        *,
        gives: bool,
        overwrites: bool,
    ) -> None:
        super().__init__(*fused.layers, fused.activation)
        self._sources = (takes, adds)  # in a tuple: they are not its own
        self.convolves, self.gives, self._overwrites = takes is not None, gives, overwrites
        self._packed: tuple[Tensor, Tensor, Tensor] | None = None

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        if self.measuring:
            y = super().forward(x, other)
            self.scale = _scale_of(y)
            return y
        takes, adds = self._sources
        dtype = _float_type()
        if takes is None:
            y = super().forward(x, _floating(other, adds, dtype))
            return rounded(y, self.scale) if self.gives else y
        if self.learning:
            self._learn(x, dtype)
        if self.gives and (other is None or adds is not None):
            if other is not None and self._overwrites:
                other = other.contiguous(memory_format=torch.channels_last)
            elif other is not None:
                other = other.clone(memory_format=torch.channels_last)
            return self._convolved(x, torch.uint8, "relu", other)
        other = _floating(other, adds, dtype)
        if other is not None and adds is not None and self.activation is RELU:
            y = self._convolved(x, dtype, "relu", other.contiguous(memory_format=torch.channels_last))
        else:
            y = self._finish(self._convolved(x, dtype), other)
        return rounded(y, self.scale) if self.gives else y

    def _learn(self, x: Tensor, dtype: torch.dtype) -> None:
        """The convolution's weights in eight bits, with the batch norm that these images call for."""
        (convolution, norm), (takes, _) = self.layers, self._sources
        assert takes is not None
        scales = convolution.weight.abs().amax(dim=(1, 2, 3)).clamp_min_(1e-12) / 127
        whole = (convolution.weight / scales[:, None, None, None]).round_().to(torch.int8).contiguous()
        packed = torch.ops.onednn.qconv_prepack(whole, scales, takes.scale, 0, *self._place(), list(x.shape))
        self._packed = packed, scales, torch.zeros_like(scales)
        statistics = torch.zeros_like(scales), torch.ones_like(scales)  # they make the results fp32
        some = self._convolved(x, dtype, apart=2 if self._plenty(x) else 1)
        mean, variance = torch.batch_norm_update_stats(some, *statistics, 1.0)
        factor = (variance + norm.eps).rsqrt_()
        factor = factor if norm.weight is None else factor * norm.weight
        shift = -mean * factor  # a bias of the convolution would have gone with the mean
        self._packed = packed, scales * factor, shift if norm.bias is None else shift + norm.bias

    def _plenty(self, x: Tensor) -> bool:
        """Whether every second row and column of what is made of this is enough to learn from."""
        (convolution, _), (stride, padding, dilation, _) = self.layers, self._place()
        made = [
            (size + 2 * pad - apart * (width - 1) - 1) // step + 1
            for size, width, step, pad, apart in zip(
                x.shape[2:], convolution.kernel_size, stride, padding, dilation, strict=True
            )
        ]
        return len(x) * math.prod(made) >= 4 * _ENOUGH

    def _convolved(
        self, x: Tensor, dtype: torch.dtype, then: str = "none", total: Tensor | None = None, apart: int = 1
    ) -> Tensor:
        """Convolve in eight bits.

        Args:
            total: What is added, of the same dtype, and overwritten.
            apart: Leave out all rows and columns but every n-th of what would be made.
        """
        takes, adds = self._sources
        assert takes is not None
        assert self._packed is not None
        weight, scales, bias = self._packed
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        x = x.contiguous(memory_format=torch.channels_last)
        given = x, takes.scale, 0, weight, scales, zeros
        stride, *others = self._place()
        place = [apart * step for step in stride], *others
        result = self.scale if dtype == torch.uint8 else 1.0, 0, dtype
        if total is None:
            y = torch.ops.onednn.qconv2d_pointwise(*given, bias, *place, *result, then, [], "")
        else:
            assert adds is not None
            scale = adds.scale if dtype == torch.uint8 else 1.0
            y = torch.ops.onednn.qconv2d_pointwise.binary(
                *given, total, bias, *place, *result, scale, 0, "sum", 1.0, then, [], ""
            )
        return cast("Tensor", y)

    def _place(self) -> tuple[list[int], list[int], list[int], int]:
        convolution, _ = self.layers
        padding = cast("tuple[int, ...]", convolution.padding)
        return list(convolution.stride), list(padding), list(convolution.dilation), convolution.groups


def rounded(x: Tensor, scale: float) -> Tensor:
    """In eight bits; what is too large becomes the largest there is."""
    return (x * (1 / scale)).round_().clamp_(0, 255).to(torch.uint8)


def _floating(x: Tensor | None, source: Quantize | QuantizedConv | None, dtype: torch.dtype) -> Tensor | None:
    return x if x is None or source is None else x.to(dtype).mul_(source.scale)


def _float_type() -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32


def _scale_of(x: Tensor) -> float:
    return _HEADROOM * max(float(x.amax()), 1e-12) / 255


def quantize_convolutions(module: fx.GraphModule, shared: Sequence[fx.Node], *, entry: bool) -> None:
    """Put 8-bit operations, in place, where a fused graph allows it.

    A feature map is held in eight bits where it is behind a ReLU, nothing but convolutions and sums wants it, and it
    comes from an 8-bit convolution itself; others are rounded where all candidates share them, or it pays.

    Args:
        module: What `fuse` made.
        shared: Nodes that all candidates share.
        entry: Whether what enters the module is never negative.
    """
    position = {node: index for index, node in enumerate(module.graph.nodes)}
    makers: dict[
        fx.Node, Quantize | QuantizedConv
    ] = {}  # for each node whose value is held in eight bits, what rounds it
    (first, *nodes) = list(module.graph.nodes)[:-1]
    if entry and _is_convolved(first, module):
        name = "rounding"
        while hasattr(module, name):
            name = f"_{name}"
        module.add_submodule(name, Quantize())
        with module.graph.inserting_after(first):
            begin = module.graph.call_module(name)
        first.replace_all_uses_with(begin)
        begin.args, begin.meta = (first,), dict(first.meta)
        makers[begin] = module.get_submodule(name)  # type: ignore[assignment]
        position[begin] = 0
    for node in nodes:
        fused = _fused(node, module)
        if fused is None:
            if len(node.all_input_nodes) == 1 and node.all_input_nodes[0] in makers and _commutes(node, module):
                makers[node] = makers[node.all_input_nodes[0]]
            continue
        takes, adds = ([makers.get(used) for used in node.args] + [None])[:2]
        free = takes is not None or node in shared
        gives = fused.activation is RELU and _is_convolved(node, module) and (free or _pays(node, module))
        if takes is None and not gives and adds is None:
            continue
        held = [other for other, maker in makers.items() if maker is adds]
        last = all(position[user] <= position[node] for other in held for user in other.users)
        overwrites = last and takes is not adds  # which is read while the sum is written
        operation = QuantizedConv(fused, takes, adds, gives=gives, overwrites=overwrites)
        module.add_submodule(str(node.target), operation)
        if gives:
            makers[node] = operation
    module.graph.lint()
    module.recompile()
    with_source(module)


def is_int8(node: fx.Node, module: fx.GraphModule) -> bool:
    """Whether what a node makes is held in eight bits."""
    called = module.get_submodule(str(node.target)) if node.op == "call_module" else None
    return isinstance(called, Quantize) or (isinstance(called, QuantizedConv) and called.gives)


def _is_convolved(node: fx.Node, module: fx.GraphModule) -> bool:
    """Whether nothing wants what a node makes but convolutions and sums that can take eight bits."""
    return bool(node.users) and all(_takes(user, node, module) for user in node.users)


def _pays(node: fx.Node, module: fx.GraphModule) -> bool:
    fused = [_fused(user, module) for user in node.users if user.args[0] is node]
    weights = [operation.layers[0].weight for operation in fused if operation is not None]
    return sum(weight.numel() // weight.shape[1] for weight in weights) >= _PAYS


def _takes(user: fx.Node, node: fx.Node, module: fx.GraphModule) -> bool:
    fused = _fused(user, module)
    if fused is None:
        return len(user.all_input_nodes) == 1 and _commutes(user, module) and _is_convolved(user, module)
    return user.args[0] is not node or fused.layers[0].groups == 1


def _fused(node: fx.Node, module: fx.GraphModule) -> Fused | None:
    called = module.get_submodule(str(node.target)) if node.op == "call_module" else None
    return called if isinstance(called, Fused) else None


def _commutes(node: fx.Node, module: fx.GraphModule) -> bool:
    """Whether it is the same to round before a node of one input or behind it; found out by running it."""
    (used,) = node.all_input_nodes
    shape = shape_of(used)
    if shape is None:
        return False
    x = (torch.arange(math.prod(shape)) * 101 % 256).reshape(shape)
    x = x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
    try:
        with torch.no_grad():
            eight, plain, half = (_run(node, module, x.to(dtype) * factor) for dtype, factor in _TRIALS)
    except Exception:  # whatever a layer raises that knows no such numbers
        return False
    same = eight.dtype == torch.uint8 and torch.equal(eight.float(), plain) and torch.equal(half, plain / 2)
    return bool(same)


def _run(node: fx.Node, module: fx.GraphModule, x: Tensor) -> Tensor:
    given = torch.fx.node.map_arg((node.args, node.kwargs), lambda _: x)
    args, kwargs = cast("tuple[tuple[Any, ...], dict[str, Any]]", given)
    if node.op == "call_module":
        return cast("Tensor", module.get_submodule(str(node.target))(*args, **kwargs))
    if node.op == "call_method":
        return cast("Tensor", getattr(args[0], str(node.target))(*args[1:], **kwargs))
    return cast("Tensor", cast("Any", node.target)(*args, **kwargs))
