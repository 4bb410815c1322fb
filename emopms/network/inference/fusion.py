"""Fuses a convolution, its batch norm, a sum and an activation into one operation that passes over the data once.

A batch norm with known statistics multiplies by a scale and adds a shift. The scale and the shift are folded into the
weight and bias of the convolution before it. The statistics are computed on one batch and used for later batches, until
`forget` is called.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import nn

from emopms.network.graph.nodes import SUMS, called_module, in_place, shape_of
from emopms.network.graph.trace import with_source
from emopms.network.runtime.kernels import Activation, has_fused_convolution, has_fused_convolution_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, fx

RELU, RELU6 = Activation(F.relu, "relu"), Activation(F.relu6, "hardtanh", (0.0, 6.0))
SILU, HARDSWISH = Activation(F.silu, "swish"), Activation(F.hardswish, "hardswish")
_ACTIVATIONS: dict[Any, Activation] = {
    **dict.fromkeys((nn.ReLU, F.relu, torch.relu, torch.relu_, "relu", "relu_"), RELU),
    **dict.fromkeys((nn.ReLU6, F.relu6), RELU6),
    **dict.fromkeys((nn.SiLU, F.silu), SILU),
    **dict.fromkeys((nn.Hardswish, F.hardswish), HARDSWISH),
}


class Norm(nn.Module):
    """A batch norm that uses the statistics of an earlier batch, the learnt statistics.

    If it has no learnt statistics, it uses the dense network's running statistics.
    """

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.layers = (norm,)  # in a tuple, so that the layer is no submodule and its tensors keep their names
        self.learning = False
        """Whether the next forward pass learns batch-norm statistics from its input."""
        self._learnt: tuple[Tensor | None, Tensor | None] | None = None

    def forget(self) -> None:
        """Drop the batch-norm statistics that were learnt on an earlier batch."""
        self._learnt = None

    def forward(self, x: Tensor) -> Tensor:
        (norm,) = self.layers
        if self.learning:
            y, mean, inverse = torch.native_batch_norm(x, norm.weight, norm.bias, None, None, True, 0.0, norm.eps)
            self._learnt = mean, inverse.pow(-2) - norm.eps
            return y
        learnt = self._learnt or (norm.running_mean, norm.running_var)
        return F.batch_norm(x, *learnt, norm.weight, norm.bias, eps=norm.eps)


class Fused(nn.Module):
    """A convolution and the batch norm after it. A sum with another tensor and an activation may follow."""

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d, activation: Activation | None) -> None:
        super().__init__()
        self.layers = (convolution, norm)  # in a tuple, so that the layers are no submodules
        self.activation = activation
        self.learning = False
        """Whether the next forward pass learns batch-norm statistics from its input."""
        self.folded: tuple[Tensor, Tensor] | None = None
        """Weight and bias of the convolution with the batch norm folded in. None until the first forward pass."""

    def forget(self) -> None:
        """Drop the batch-norm statistics that were learnt on an earlier batch."""
        self.folded = None

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        convolution, norm = self.layers
        if self.learning:
            y, mean, inverse = torch.native_batch_norm(
                convolution(x), norm.weight, norm.bias, None, None, True, 0.0, norm.eps
            )
            self.folded = self._fold(mean, inverse, y.dtype)
            return self._finish(y, other)
        if self.folded is None:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
            self.folded = self._fold(norm.running_mean, (norm.running_var + norm.eps).rsqrt(), dtype)
        weight, bias = self.folded
        stride, padding, dilation, groups = self._geometry()
        x = x.to(weight.dtype)
        name, scalars = (self.activation.name, self.activation.scalars) if self.activation else ("none", ())
        if not _has_kernel(x, other, self.activation):
            y = F.conv2d(x, weight, bias, stride, padding, dilation, groups)
            return self._finish(y, other)
        arguments = weight, bias, padding, stride, dilation, groups
        if other is None:
            y = torch.ops.mkldnn._convolution_pointwise(x, *arguments, name, scalars, "")
            return cast("Tensor", y)
        y = torch.ops.mkldnn._convolution_pointwise.binary(
            x, other, *arguments, "add", None, "relu" if name == "relu" else None, (), ""
        )
        return self._finish(y) if name != "relu" else y  # the operation with a sum supports no other activation

    def _geometry(self) -> tuple[list[int], list[int], list[int], int]:
        """Return stride, padding, dilation and groups of the convolution."""
        convolution, _ = self.layers
        padding = cast("tuple[int, ...]", convolution.padding)
        return list(convolution.stride), list(padding), list(convolution.dilation), convolution.groups

    def _fold(self, mean: Tensor, inverse: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return weight and bias of the convolution with the batch norm folded in.

        Args:
            mean: Mean μ of each channel [C].
            inverse: 1 / √(σ² + ε) of each channel [C].
            dtype: Dtype of the returned weight and bias.
        """
        convolution, norm = self.layers
        scale = inverse if norm.weight is None else inverse * norm.weight
        shift = (0 if convolution.bias is None else convolution.bias) - mean
        bias = shift * scale if norm.bias is None else shift * scale + norm.bias
        weight = (convolution.weight * scale[:, None, None, None]).to(dtype)
        layout = torch.channels_last if convolution.weight.is_contiguous(memory_format=torch.channels_last) else None
        return weight if layout is None else weight.contiguous(memory_format=layout), bias.to(dtype)

    def _finish(self, y: Tensor, other: Tensor | None = None) -> Tensor:
        y = y if other is None else y + other
        return y if self.activation is None else self.activation.function(y, inplace=True)


def layers_of(module: nn.Module) -> tuple[nn.Module, ...]:
    """Return the layers that a fused module replaces. For any other module, return the module itself."""
    return module.layers if isinstance(module, Fused | Norm) else (module,)


def _has_kernel(x: Tensor, other: Tensor | None, activation: Activation | None) -> bool:
    """Return whether oneDNN convolves ``x``, adds ``other`` and applies the activation in one operation."""
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.bfloat16):
        return False
    if not x.is_contiguous(memory_format=torch.channels_last):
        return False
    if other is None:
        return has_fused_convolution(x.dtype, activation)
    return (
        other.dtype == x.dtype
        and other.is_contiguous(memory_format=torch.channels_last)
        and has_fused_convolution_sum(x.dtype, relu=activation is not None and activation.name == "relu")
    )


def fuse(module: fx.GraphModule) -> list[Fused | Norm]:
    """Replace the batch norms of a graph, and the operations that can be fused with them, by fused operations.

    Args:
        module: A traced network. It is changed in place. All its tensors keep their names.

    Returns:
        The fused operations, in the order of the graph.
    """
    calls = Counter(id(called_module(node, module)) for node in module.graph.nodes if node.op == "call_module")
    operations: list[Fused | Norm] = []
    for node in list(module.graph.nodes):
        norm = called_module(node, module)
        if not _is_plain(norm) or calls[id(norm)] > 1:
            continue
        assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
        chain = _chain(node, module, calls)
        operation: Fused | Norm
        if chain is None:
            operation, inputs, replaced = Norm(norm), node.args, [node]
        else:
            convolution = called_module(chain.nodes[0], module)
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            operation, inputs, replaced = Fused(convolution, norm, chain.activation), chain.inputs, chain.nodes
        name = f"fused_{len(operations)}"
        while hasattr(module, name):  # the network may have a module of that name
            name = f"_{name}"
        module.add_submodule(name, operation)
        with module.graph.inserting_after(replaced[-1]):
            call = module.graph.call_module(name, inputs)
        call.meta = dict(replaced[-1].meta)
        replaced[-1].replace_all_uses_with(call)
        for old in reversed(replaced):
            module.graph.erase_node(old)
        operations.append(operation)
    module.graph.lint()
    module.recompile()
    with_source(module)
    return operations


class _Chain(NamedTuple):
    nodes: list[fx.Node]
    inputs: tuple[fx.Node, ...]
    activation: Activation | None


def _chain(node: fx.Node, module: fx.GraphModule, calls: Counter[int]) -> _Chain | None:
    """Return the nodes that can be fused with the call of a batch norm.

    The result is None unless the input of the batch norm is the output of a plain convolution that no other node uses.
    """
    (before,) = node.all_input_nodes
    convolution = called_module(before, module)
    if not (
        isinstance(convolution, nn.Conv2d)
        and type(convolution).forward is nn.Conv2d.forward
        and isinstance(called_module(node, module), nn.BatchNorm2d)
        and convolution.padding_mode == "zeros"
        and not _is_hooked(convolution)
        and not isinstance(convolution.padding, str)
        and calls[id(convolution)] == 1
        and len(before.users) == 1
        and _undisturbed([before], node, module)
    ):
        return None
    nodes, inputs = [before, node], [*before.all_input_nodes]
    user = _only_user(nodes[-1])
    if user is not None and _is_sum(user, node, module) and _undisturbed(nodes, user, module):
        others = [used for used in user.args if used is not node and isinstance(used, torch.fx.Node)]
        if len(others) == 1 and len(user.args) == 2 and shape_of(others[0]) == shape_of(node):
            nodes.append(user)
            inputs += others
            user = _only_user(user)
    activation = None if user is None else _ACTIVATIONS.get(_activation_key(user, module))
    if user is not None and activation is not None and _undisturbed(nodes, user, module):
        nodes.append(user)
        return _Chain(nodes, tuple(inputs), activation)
    return _Chain(nodes, tuple(inputs), None)


def _is_sum(user: fx.Node, node: fx.Node, module: fx.GraphModule) -> bool:
    """Return whether ``user`` adds a value to the value of ``node``, and does not overwrite the added value."""
    return user.target in SUMS and not user.kwargs and (user.args[0] is node or not in_place(user, module))


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _undisturbed(chain: Sequence[fx.Node], last: fx.Node, module: fx.GraphModule) -> bool:
    """Return whether all nodes of a chain to fuse may run at the place of the node ``last``.

    This is the case if no other node in between works in place. A module that is not from PyTorch is treated as an
    in-place operation, because the module may contain such an operation.
    """
    node = chain[0].next
    while node is not last:
        called = called_module(node, module)
        foreign = called is not None and not isinstance(called, Fused | Norm) and not _is_from_pytorch(called)
        if node not in chain and (foreign or in_place(node, module)):
            return False
        node = node.next
    return True


def _is_plain(norm: nn.Module | None) -> bool:
    """Return whether a module is PyTorch's own batch norm, with running statistics and without hooks."""
    plain = nn.modules.batchnorm._BatchNorm
    own = isinstance(norm, plain) and norm.running_mean is not None and type(norm).forward is plain.forward
    return own and norm is not None and not _is_hooked(norm)


def _is_from_pytorch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def _is_hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _activation_key(node: fx.Node, module: fx.GraphModule) -> Any:
    """Return the key of a node in `_ACTIVATIONS`: the class of the module, or the function, that the node calls."""
    return type(called_module(node, module)) if node.op == "call_module" else node.target
