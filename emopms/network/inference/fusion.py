"""Convolution, batch norm, sum and activation as one operation: one pass over a feature map instead of five.

A batch norm is a scale and a shift as soon as its statistics are known, and those go into the weights of the
convolution before it. Statistics are learnt on one batch, and hold until they are forgotten.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from emopms.network.graph.trace import shape_of, with_source
from emopms.network.partition.divide import SUMS, in_place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, fx


class _Activation(NamedTuple):
    function: Callable[..., Tensor]
    """Called with ``inplace=True``."""
    name: str
    """oneDNN's."""
    scalars: tuple[float, ...] = ()


RELU, _RELU6 = _Activation(F.relu, "relu"), _Activation(F.relu6, "hardtanh", (0.0, 6.0))
_SILU, _HARDSWISH = _Activation(F.silu, "swish"), _Activation(F.hardswish, "hardswish")
_ACTIVATIONS: dict[Any, _Activation] = {
    **dict.fromkeys((nn.ReLU, F.relu, torch.relu, torch.relu_, "relu", "relu_"), RELU),
    **dict.fromkeys((nn.ReLU6, F.relu6), _RELU6),
    **dict.fromkeys((nn.SiLU, F.silu), _SILU),
    **dict.fromkeys((nn.Hardswish, F.hardswish), _HARDSWISH),
}


class Norm(nn.Module):
    """A batch norm with statistics that are learnt, or else the dense network's."""

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.layers = (norm,)  # in a tuple: its tensors stay the network's, under their own names
        self.learning = False
        self._learnt: tuple[Tensor | None, Tensor | None] | None = None

    def forget(self) -> None:
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
    """A convolution, the batch norm behind it and, where they follow, a sum with another tensor and an activation."""

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d, activation: _Activation | None) -> None:
        super().__init__()
        self.layers = (convolution, norm)  # in a tuple, as above
        self.activation = activation
        self.learning = False
        self.folded: tuple[Tensor, Tensor] | None = None

    def forget(self) -> None:
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
        stride, padding = convolution.stride, convolution.padding
        dilation, groups = convolution.dilation, convolution.groups
        x = x.to(weight.dtype)
        if not _has_kernel(x, other):
            y = F.conv2d(x, weight, bias, stride, padding, dilation, groups)
            return self._finish(y, other)
        arguments = weight, bias, padding, stride, dilation, groups
        name, scalars = (self.activation.name, self.activation.scalars) if self.activation else ("none", ())
        if other is None:
            return torch.ops.mkldnn._convolution_pointwise(x, *arguments, name, scalars, "")  # type: ignore[no-any-return]
        y = torch.ops.mkldnn._convolution_pointwise.binary(
            x, other, *arguments, "add", None, "relu" if name == "relu" else None, (), ""
        )
        return self._finish(y) if name != "relu" else y  # which is all that goes with a sum

    def _fold(self, mean: Tensor, inverse: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution that does the batch norm's work too.

        Args:
            inverse: 1 / √(σ² + ε).
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
    """The layers whose tensors a module uses: its own, or those that it was fused from."""
    return module.layers if isinstance(module, Fused | Norm) else (module,)


def _has_kernel(x: Tensor, other: Tensor | None) -> bool:
    """Whether oneDNN does it all at once."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and x.is_contiguous(memory_format=torch.channels_last)
        and (other is None or (other.dtype == x.dtype and other.is_contiguous(memory_format=torch.channels_last)))
    )


def fuse(module: fx.GraphModule) -> list[Fused | Norm]:
    """Put fused operations, in place, where a graph calls batch norms.

    Args:
        module: A traced network; all its tensors stay where they are, under their names.

    Returns:
        The operations, to which ``learning`` and ``forget`` apply.
    """
    calls = Counter(id(_called(node, module)) for node in module.graph.nodes if node.op == "call_module")
    operations: list[Fused | Norm] = []
    for node in list(module.graph.nodes):
        norm = _called(node, module)
        if not _is_plain(norm) or calls[id(norm)] > 1:
            continue
        assert isinstance(norm, nn.modules.batchnorm._BatchNorm)
        chain = _chain(node, module, calls)
        operation: Fused | Norm
        if chain is None:
            operation, inputs, replaced = Norm(norm), node.args, [node]
        else:
            convolution = _called(chain.nodes[0], module)
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            operation, inputs, replaced = Fused(convolution, norm, chain.activation), chain.inputs, chain.nodes
        name = f"fused_{len(operations)}"
        while hasattr(module, name):  # the network has a module of that name
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
    activation: _Activation | None


def _chain(node: fx.Node, module: fx.GraphModule, calls: Counter[int]) -> _Chain | None:
    """What can be fused around the call of a batch norm; None where no plain convolution feeds it alone."""
    (before,) = node.all_input_nodes
    convolution = _called(before, module)
    if not (
        isinstance(convolution, nn.Conv2d)
        and type(convolution).forward is nn.Conv2d.forward
        and isinstance(_called(node, module), nn.BatchNorm2d)
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
    activation = None if user is None else _ACTIVATIONS.get(_kind(user, module))
    if user is not None and activation is not None and _undisturbed(nodes, user, module):
        nodes.append(user)
        return _Chain(nodes, tuple(inputs), activation)
    return _Chain(nodes, tuple(inputs), None)


def _is_sum(user: fx.Node, node: fx.Node, module: fx.GraphModule) -> bool:
    """Whether something is added to what a node made, without overwriting anything else."""
    return user.target in SUMS and not user.kwargs and (user.args[0] is node or not in_place(user, module))


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _undisturbed(chain: Sequence[fx.Node], last: fx.Node, module: fx.GraphModule) -> bool:
    """Whether the chain may run as late as the last node: nothing else between them works in place.

    What modules that are not PyTorch's do inside, nobody knows.
    """
    node = chain[0].next
    while node is not last:
        called = _called(node, module)
        foreign = called is not None and not isinstance(called, Fused | Norm) and not _is_pytorchs(called)
        if node not in chain and (foreign or in_place(node, module)):
            return False
        node = node.next
    return True


def _is_plain(norm: nn.Module | None) -> bool:
    """Whether it is a batch norm with running statistics, and no more than that."""
    plain = nn.modules.batchnorm._BatchNorm
    own = isinstance(norm, plain) and norm.running_mean is not None and type(norm).forward is plain.forward
    return own and norm is not None and not _is_hooked(norm)


def _is_pytorchs(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def _is_hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _called(node: fx.Node, module: fx.GraphModule) -> nn.Module | None:
    return module.get_submodule(str(node.target)) if node.op == "call_module" else None


def _kind(node: fx.Node, module: fx.GraphModule) -> Any:
    """What tells which activation it is."""
    return type(_called(node, module)) if node.op == "call_module" else node.target
