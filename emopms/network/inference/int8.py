"""Convolutions in int8. On processors with VNNI instructions, they are nearly twice as fast as convolutions in bf16.

The output of a ReLU is stored as whole numbers from 0 to 255, which are multiplied by a scale. Each feature map has one
scale for all candidates. The scale is calibrated on the dense network. It suits all candidates, because batch norm
keeps their values in the same range. Convolution weights are stored as whole numbers from -127 to 127, with one scale
for each output channel. The batch norm is folded into these scales.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from emopms.network.graph.nodes import called_module, shape_of
from emopms.network.graph.trace import with_source
from emopms.network.inference.fusion import RELU, Fused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, fx

MIN_MULTIPLICATIONS_PER_ELEMENT = 128
"""An activation is quantised only if at least this many multiplications use each of its values. Activations that come
from an int8 convolution, or that are equal for all candidates, are quantised in any case."""
_MIN_STATISTICS_POSITIONS = 2**13
"""Number of positions of a feature map, in all images together, that is enough to estimate mean and variance. More
positions would hardly improve the estimate, because neighbouring positions are similar."""
_HEADROOM = 1.25
"""Range of a quantised activation, relative to its largest value in the dense network. Larger values are clipped."""
_COMMUTATION_TRIALS = ((torch.uint8, 1), (torch.float32, 1), (torch.float32, 0.5))
"""Dtypes and factors of the inputs on which a layer is run, to find out whether it commutes with quantisation."""


class Quantize(nn.Module):
    """Converts a floating-point tensor to int8."""

    scale = 0.0
    """Dequantisation scale: the factor that turns quantised values into floating-point values."""
    calibrating = False
    """Whether `forward` sets the scale, and returns its input unchanged."""

    def forward(self, x: Tensor) -> Tensor:
        if self.calibrating:
            self.scale = _scale_of(x)
            return x
        return quantize(x, self.scale)


class QuantizedConv(Fused):
    """A fused convolution with an int8 input, an int8 summand, an int8 output, or several of these.

    Args:
        fused: The fused operation that this module replaces.
        input_quant: The module that produces the int8 input. None if the input is in floating point.
        residual_quant: The module that produces the int8 summand. None if there is no summand, or if it is in floating
            point.
        int8_output: Whether the output is quantised.
        overwrites_residual: Whether the summand may be overwritten, because no later operation uses it.
    """

    scale = 0.0
    """Dequantisation scale of the output: the factor that turns quantised values into floating-point values."""
    calibrating = False
    """Whether `forward` runs in floating point and sets the scale."""

    def __init__(
        self,
        fused: Fused,
        input_quant: Quantize | QuantizedConv | None,
        residual_quant: Quantize | QuantizedConv | None,
        *,
        int8_output: bool,
        overwrites_residual: bool,
    ) -> None:
        super().__init__(*fused.layers, fused.activation)
        self._sources = (input_quant, residual_quant)  # in a tuple, so that these modules are no submodules
        self.convolves = input_quant is not None
        """Whether the convolution itself is in int8."""
        self.int8_output, self._overwrites_residual = int8_output, overwrites_residual
        self._packed: tuple[Tensor, Tensor, Tensor] | None = None

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        if self.calibrating:
            y = super().forward(x, other)
            self.scale = _scale_of(y)
            return y
        input_quant, residual_quant = self._sources
        dtype = _float_type()
        if input_quant is None:
            y = super().forward(x, _dequantize(other, residual_quant, dtype))
            return quantize(y, self.scale) if self.int8_output else y
        if self.learning:
            self._learn(x, dtype)
        if self.int8_output and (other is None or residual_quant is not None):
            if other is not None and self._overwrites_residual:
                other = other.contiguous(memory_format=torch.channels_last)
            elif other is not None:
                other = other.clone(memory_format=torch.channels_last)
            return self._convolve(x, torch.uint8, "relu", other)
        other = _dequantize(other, residual_quant, dtype)
        if other is not None and residual_quant is not None and self.activation is RELU:
            y = self._convolve(x, dtype, "relu", other.contiguous(memory_format=torch.channels_last))
        else:
            y = self._finish(self._convolve(x, dtype), other)
        return quantize(y, self.scale) if self.int8_output else y

    def _learn(self, x: Tensor, dtype: torch.dtype) -> None:
        """Quantise the convolution's weight, and fold in the batch norm with the statistics of the images ``x``."""
        (convolution, norm), (input_quant, _) = self.layers, self._sources
        assert input_quant is not None
        scales = convolution.weight.abs().amax(dim=(1, 2, 3)).clamp_min_(1e-12) / 127
        whole = (convolution.weight / scales[:, None, None, None]).round_().to(torch.int8).contiguous()
        packed = torch.ops.onednn.qconv_prepack(whole, scales, input_quant.scale, 0, *self._geometry(), list(x.shape))
        self._packed = packed, scales, torch.zeros_like(scales)
        running = torch.zeros_like(scales), torch.ones_like(scales)  # given these, PyTorch returns results in fp32
        sample = self._convolve(x, dtype, step=2 if self._half_is_enough(x) else 1)
        mean, variance = torch.batch_norm_update_stats(sample, *running, 1.0)
        factor = (variance + norm.eps).rsqrt_()
        factor = factor if norm.weight is None else factor * norm.weight
        shift = -mean * factor  # without the convolution's bias, because the batch norm subtracts it with the mean
        self._packed = packed, scales * factor, shift if norm.bias is None else shift + norm.bias

    def _half_is_enough(self, x: Tensor) -> bool:
        """Return whether every second row and column of the output is enough to estimate mean and variance."""
        (convolution, _), (stride, padding, dilation, _) = self.layers, self._geometry()
        output_size = [
            (size + 2 * pad - gap * (width - 1) - 1) // step + 1
            for size, width, step, pad, gap in zip(
                x.shape[2:], convolution.kernel_size, stride, padding, dilation, strict=True
            )
        ]
        return len(x) * math.prod(output_size) >= 4 * _MIN_STATISTICS_POSITIONS

    def _convolve(
        self, x: Tensor, dtype: torch.dtype, activation: str = "none", total: Tensor | None = None, step: int = 1
    ) -> Tensor:
        """Compute the convolution in int8.

        Args:
            x: The int8 input [N, C, H, W].
            dtype: Dtype of the output. With ``torch.uint8``, the output is quantised.
            activation: Name of the activation in oneDNN.
            total: The summand, of dtype ``dtype``. It is overwritten. None if there is no summand.
            step: Only every ``step``-th row and column of the output is computed.
        """
        input_quant, residual_quant = self._sources
        assert input_quant is not None
        assert self._packed is not None
        weight, scales, bias = self._packed
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        x = x.contiguous(memory_format=torch.channels_last)
        source = x, input_quant.scale, 0, weight, scales, zeros
        stride, *others = self._geometry()
        geometry = [step * size for size in stride], *others
        output = self.scale if dtype == torch.uint8 else 1.0, 0, dtype
        if total is None:
            y = torch.ops.onednn.qconv2d_pointwise(*source, bias, *geometry, *output, activation, [], "")
        else:
            assert residual_quant is not None
            scale = residual_quant.scale if dtype == torch.uint8 else 1.0
            y = torch.ops.onednn.qconv2d_pointwise.binary(
                *source, total, bias, *geometry, *output, scale, 0, "sum", 1.0, activation, [], ""
            )
        return cast("Tensor", y)


def quantize(x: Tensor, scale: float) -> Tensor:
    """Return ``x / scale`` rounded to whole numbers from 0 to 255, in uint8. Values out of range are clipped."""
    return (x * (1 / scale)).round_().clamp_(0, 255).to(torch.uint8)


def _dequantize(x: Tensor | None, source: Quantize | QuantizedConv | None, dtype: torch.dtype) -> Tensor | None:
    return x if x is None or source is None else x.to(dtype).mul_(source.scale)


def _float_type() -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32


def _scale_of(x: Tensor) -> float:
    """Return the dequantisation scale for tensors with the same range as ``x``."""
    return _HEADROOM * max(float(x.amax()), 1e-12) / 255


def quantize_convolutions(
    module: fx.GraphModule,
    shared: Sequence[fx.Node],
    *,
    quantize_input: bool,
    min_multiplications: int = MIN_MULTIPLICATIONS_PER_ELEMENT,
) -> None:
    """Replace fused convolutions by int8 convolutions, in place, wherever the graph allows it.

    A feature map is stored in int8 if it is the output of a ReLU, if only convolutions and sums use it, and if one of
    these conditions holds: an int8 convolution computes it, its values are the same for all candidates, or each of its
    values is used in enough multiplications.

    Args:
        module: A graph module after `fuse`.
        shared: Nodes whose values are the same for all candidates.
        quantize_input: Whether the module's input is quantised too. Then it must not be negative.
        min_multiplications: Number of multiplications with each value that is enough to quantise a feature map.
    """
    position = {node: index for index, node in enumerate(module.graph.nodes)}
    quants: dict[
        fx.Node, Quantize | QuantizedConv
    ] = {}  # for each node with an int8 value, the module that quantised it
    (first, *nodes) = list(module.graph.nodes)[:-1]
    if quantize_input and _only_convolved(first, module):
        name = "input_quant"
        while hasattr(module, name):
            name = f"_{name}"
        module.add_submodule(name, Quantize())
        with module.graph.inserting_after(first):
            quantized = module.graph.call_module(name)
        first.replace_all_uses_with(quantized)
        quantized.args, quantized.meta = (first,), dict(first.meta)
        quants[quantized] = module.get_submodule(name)  # type: ignore[assignment]
        position[quantized] = 0
    for node in nodes:
        fused = _fused(node, module)
        if fused is None:
            inputs = node.all_input_nodes
            if len(inputs) == 1 and inputs[0] in quants and _commutes_with_quantization(node, module):
                quants[node] = quants[inputs[0]]
            continue
        input_quant, residual_quant = ([quants.get(used) for used in node.args] + [None])[:2]
        costs_nothing = input_quant is not None or node in shared
        int8_output = (
            fused.activation is RELU
            and _only_convolved(node, module)
            and (costs_nothing or _multiplications(node, module) >= min_multiplications)
        )
        if input_quant is None and not int8_output and residual_quant is None:
            continue
        summands = [other for other, quant in quants.items() if quant is residual_quant]
        is_last_use = all(position[user] <= position[node] for other in summands for user in other.users)
        operation = QuantizedConv(
            fused,
            input_quant,
            residual_quant,
            int8_output=int8_output,
            # if the summand is also the input, it is still read while the sum is written
            overwrites_residual=is_last_use and input_quant is not residual_quant,
        )
        module.add_submodule(str(node.target), operation)
        if int8_output:
            quants[node] = operation
    module.graph.lint()
    module.recompile()
    with_source(module)


def is_int8(node: fx.Node, module: fx.GraphModule) -> bool:
    """Return whether a node's value is produced in int8."""
    called = called_module(node, module)
    return isinstance(called, Quantize) or (isinstance(called, QuantizedConv) and called.int8_output)


def _only_convolved(node: fx.Node, module: fx.GraphModule) -> bool:
    """Return whether a node's value is used, and whether all its users are convolutions and sums that accept int8."""
    return bool(node.users) and all(_accepts_int8(user, node, module) for user in node.users)


def _multiplications(node: fx.Node, module: fx.GraphModule) -> int:
    """Return the number of multiplications in convolutions that use each element of a node's value."""
    fused = [_fused(user, module) for user in node.users if user.args[0] is node]
    weights = [operation.layers[0].weight for operation in fused if operation is not None]
    return sum(weight.numel() // weight.shape[1] for weight in weights)


def _accepts_int8(user: fx.Node, node: fx.Node, module: fx.GraphModule) -> bool:
    """Return whether ``user`` can use the value of ``node`` in int8."""
    fused = _fused(user, module)
    if fused is None:
        return (
            len(user.all_input_nodes) == 1
            and _commutes_with_quantization(user, module)
            and _only_convolved(user, module)
        )
    return user.args[0] is not node or fused.layers[0].groups == 1


def _fused(node: fx.Node, module: fx.GraphModule) -> Fused | None:
    called = called_module(node, module)
    return called if isinstance(called, Fused) else None


def _commutes_with_quantization(node: fx.Node, module: fx.GraphModule) -> bool:
    """Return whether a node of one input gives the same result if it runs before or after quantisation.

    This function runs the node to find out.
    """
    (used,) = node.all_input_nodes
    shape = shape_of(used)
    if shape is None:
        return False
    x = (torch.arange(math.prod(shape)) * 101 % 256).reshape(shape)
    x = x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
    try:
        with torch.no_grad():
            whole, plain, half = (
                _run_node(node, module, x.to(dtype) * factor) for dtype, factor in _COMMUTATION_TRIALS
            )
    except Exception:  # a layer that does not support uint8 may raise anything
        return False
    same = whole.dtype == torch.uint8 and torch.equal(whole.float(), plain) and torch.equal(half, plain / 2)
    return bool(same)


def _run_node(node: fx.Node, module: fx.GraphModule, x: Tensor) -> Tensor:
    given = torch.fx.node.map_arg((node.args, node.kwargs), lambda _: x)
    args, kwargs = cast("tuple[tuple[Any, ...], dict[str, Any]]", given)
    if node.op == "call_module":
        return cast("Tensor", module.get_submodule(str(node.target))(*args, **kwargs))
    if node.op == "call_method":
        return cast("Tensor", getattr(args[0], str(node.target))(*args[1:], **kwargs))
    return cast("Tensor", cast("Any", node.target)(*args, **kwargs))
