"""Which channels must be kept or dropped together.

Every channel of every activation gets a label. Layers that make channels make fresh labels; layers that pass
channels on pass the labels on; layers that join tensors (a residual sum) merge labels. Each dimension of each
parameter then carries the labels of the channels it belongs to, so that a genome, one bit a free label, says
which rows of which tensors stay: slicing, surgery and cost all follow from this one table.

An operation that is not known here is never guessed at: the channels that touch it are pinned, with the reason.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx, nn

from emopms.network.channels import Channels, Group, Layer
from emopms.network.trace import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Labels = NDArray[np.int64]


def channels_of(part: fx.GraphModule) -> Channels:
    """Read the channel table off a traced sub-network whose nodes carry shapes (see `trace`)."""
    walk = _Walk(part)
    for node in part.graph.nodes:
        walk.visit(node)
    return walk.table()


class _Union:
    """Union-find over labels, with the reason why a class is pinned."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.reason: dict[int, str] = {}

    def fresh(self, count: int) -> Labels:
        first = len(self.parent)
        self.parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def root(self, label: int) -> int:
        while self.parent[label] != label:
            self.parent[label] = self.parent[self.parent[label]]
            label = self.parent[label]
        return label

    def merge(self, left: Labels, right: Labels) -> None:
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            first, second = sorted((self.root(a), self.root(b)))
            if first != second:
                self.parent[second] = first
                if second in self.reason:
                    self.reason.setdefault(first, self.reason.pop(second))

    def pin(self, labels: Labels, reason: str) -> None:
        for label in labels.tolist():
            self.reason.setdefault(self.root(label), reason)


class _Walk:
    """One pass over the graph in execution order."""

    def __init__(self, part: fx.GraphModule) -> None:
        self.part = part
        self.modules = dict(part.named_modules())
        self.union = _Union()
        self.labels: dict[fx.Node, Labels] = {}
        self.bound: dict[tuple[str, int], Labels] = {}
        self.makers: list[tuple[str, Labels]] = []
        self.layers: dict[str, Layer] = {}
        self.uncounted: set[str] = set()
        self.read_elsewhere: dict[str, str] = {}
        """Tensors that something not understood reads, and why that pins their channels."""
        self.shared = _shared_parameters(part)

    # -- visiting ---------------------------------------------------------------------------------------

    def visit(self, node: fx.Node) -> None:
        shape = shape_of(node)
        if node.op == "placeholder":
            assert shape is not None
            self.labels[node] = self.union.fresh(shape[1])
            self.union.pin(self.labels[node], "it enters the sub-network")
        elif node.op == "output":
            self._pin_inputs(node, "it leaves the sub-network")
        elif node.op == "call_module":
            self._visit_module(node, self.modules[str(node.target)])
        elif node.op == "get_attr":
            self.read_elsewhere[str(node.target)] = "its weights are read outside its forward"
        else:
            handler = _FUNCTIONS.get(node.target if node.op == "call_function" else str(node.target))
            if handler is None or not handler(self, node):
                self._refuse(node, _operation(node))

    def _visit_module(self, node: fx.Node, module: nn.Module) -> None:
        name, source = str(node.target), self._source(node)
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            self._visit_weighted(node, name, module, source)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and source is not None:
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                if getattr(module, tensor, None) is not None:
                    self._bind(f"{name}.{tensor}", 0, source)
            self.labels[node] = source
            self.uncounted.add(type(module).__name__)
        elif not (
            (isinstance(module, _PASSING_MODULES) and self._pass(node))
            or (isinstance(module, nn.Flatten) and module.start_dim == 1 and self._flatten(node))
        ):
            self._refuse(node, type(module).__name__)

    def _visit_weighted(
        self, node: fx.Node, name: str, module: nn.modules.conv._ConvNd | nn.Linear, source: Labels | None
    ) -> None:
        shape = shape_of(node)
        is_linear = isinstance(module, nn.Linear)
        assert shape is not None
        positions = math.prod(shape[1:-1]) if is_linear else math.prod(shape[2:])
        if isinstance(module, nn.modules.conv._ConvTransposeNd):
            source_shape = shape_of(node.all_input_nodes[0])
            assert source_shape is not None
            positions = math.prod(source_shape[2:])
        known = self.layers.get(name)  # a layer that runs twice costs twice
        self.layers[name] = Layer(name, f"{name}.weight", positions + (known.uses if known else 0))
        plain = (is_linear and len(shape) == 2) or (
            isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and module.groups == 1
        )
        operation = type(module).__name__
        if getattr(module, "groups", 1) > 1:
            operation += f" with groups={module.groups}"
        if "weight" not in module._parameters:
            plain, operation = False, f"{operation} with a computed weight"
        elif f"{name}.weight" in self.shared:
            plain, operation = False, f"{operation} with a weight shared with another layer"
        if not plain or source is None:
            self._refuse(node, operation)
            if node in self.labels:
                self.makers.append((name, self.labels[node]))
            return
        made = self.union.fresh(shape[1])
        self._bind(f"{name}.weight", 1, source)
        self._bind(f"{name}.weight", 0, made)
        if module.bias is not None:
            self._bind(f"{name}.bias", 0, made)
        self.makers.append((name, made))
        self.labels[node] = made

    # -- what handlers use ------------------------------------------------------------------------------

    def _source(self, node: fx.Node) -> Labels | None:
        """Labels of the node's only tensor input, or None where it has several or an unlabelled one."""
        tensors = [used for used in node.all_input_nodes if shape_of(used) is not None]
        return self.labels.get(tensors[0]) if len(tensors) == 1 else None

    def _bind(self, tensor: str, dim: int, labels: Labels) -> None:
        if (tensor, dim) in self.bound:
            self.union.merge(self.bound[tensor, dim], labels)
        else:
            self.bound[tensor, dim] = labels

    def _pin_inputs(self, node: fx.Node, reason: str) -> None:
        for used in node.all_input_nodes:
            if used in self.labels:
                self.union.pin(self.labels[used], reason)

    def _refuse(self, node: fx.Node, operation: str) -> None:
        """Pin everything that enters or leaves an operation that is not understood."""
        reason = f"it meets {operation}, which is not understood here"
        self._pin_inputs(node, reason)
        if node.op == "call_module":
            owned = self.modules[str(node.target)].state_dict()
            self.read_elsewhere |= {f"{node.target}.{tensor}": reason for tensor in owned}
        if not (node.op == "call_module" and str(node.target) in self.layers):
            self.uncounted.add(operation)
        shape = shape_of(node)
        if shape is not None and len(shape) >= 2:
            self.labels[node] = self.union.fresh(shape[1])
            self.union.pin(self.labels[node], reason)

    # -- operations: each returns False where this use of it is not understood ---------------------------

    def _pass(self, node: fx.Node) -> bool:
        source = self._source(node)
        if source is None or (shape_of(node) or (0, 0))[1:2] != (len(source),):
            return False
        self.labels[node] = source
        return True

    def _sum(self, node: fx.Node) -> bool:
        tensors = [used for used in node.all_input_nodes if used in self.labels]
        if len(tensors) == 1 and len(node.all_input_nodes) == 1:
            return self._pass(node)
        if len(tensors) != 2 or shape_of(tensors[0]) != shape_of(tensors[1]):
            return False
        left, right = (self.labels[used] for used in tensors)
        self.union.merge(left, right)
        self.union.pin(left, "it belongs to a residual stream")
        self.labels[node] = left
        return True

    def _concatenate(self, node: fx.Node) -> bool:
        tensors: Any = node.args[0] if node.args else node.kwargs["tensors"]
        dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        if dim != 1 or any(used not in self.labels for used in tensors):
            return False
        self.labels[node] = np.concatenate([self.labels[used] for used in tensors])
        return True

    def _flatten(self, node: fx.Node) -> bool:
        """Flattening to [N, C·H·W], however it is written: each channel becomes a run of H·W features."""
        used = node.all_input_nodes[0]
        before, after = shape_of(used), shape_of(node)
        if used not in self.labels or before is None or after is None:
            return False
        if len(after) != 2 or after != (before[0], math.prod(before[1:])):
            return False
        self.labels[node] = np.repeat(self.labels[used], math.prod(before[2:]))
        return True

    def _reshape(self, node: fx.Node) -> bool:
        """A flattening whose size follows the channels: `x.view(len(x), -1)`, not `x.view(-1, 400)`."""
        sizes: Any = node.args[1] if isinstance(node.args[1], tuple | list) else node.args[1:]
        return (sizes[-1] == -1 or isinstance(sizes[-1], fx.Node)) and self._flatten(node)

    def _mean(self, node: fx.Node) -> bool:
        dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
        rank = len(shape_of(node.all_input_nodes[0]) or ())
        dims = dims if isinstance(dims, tuple | list) else (dims,)
        if any(not isinstance(dim, int) or dim % rank < 2 for dim in dims):
            return False
        return self._pass(node)

    def _index(self, node: fx.Node) -> bool:
        index = node.args[1]
        if node.args[0] not in self.labels:
            return True  # an element of something that is not a labelled tensor, such as x.shape[0]
        if not isinstance(index, tuple) or any(part != slice(None) for part in index[:2]):
            return False
        return self._pass(node)

    def _pad(self, node: fx.Node) -> bool:
        source = self._source(node)
        padding: Any = node.kwargs.get("pad", node.args[1] if len(node.args) > 1 else ())
        rank = len(shape_of(node.all_input_nodes[0]) or ())
        if source is None or not all(isinstance(amount, int) and amount >= 0 for amount in padding):
            return False
        around = [*padding, *([0] * (2 * rank - len(padding)))][::-1]  # from the batch inwards: after, before
        if around[0] or around[1]:
            return False
        mode = node.kwargs.get("mode", node.args[2] if len(node.args) > 2 else "constant")
        if (around[2] or around[3]) and mode != "constant":
            return False  # what is padded with would depend on which channels stay
        after, before = self.union.fresh(around[2]), self.union.fresh(around[3])
        for blank in (before, after):
            self.union.pin(blank, "it is padding")
        self.labels[node] = np.concatenate([before, source, after])
        return True

    def _size(self, node: fx.Node) -> bool:
        """Sizes and other attributes that are no tensors."""
        return shape_of(node) is None

    # -- result -----------------------------------------------------------------------------------------

    def table(self) -> Channels:
        for (tensor, _), labels in self.bound.items():
            if tensor in self.read_elsewhere:
                self.union.pin(labels, self.read_elsewhere[tensor])
        gene_of: dict[int, int] = {}
        groups, pinned = [], {}
        for name, made in self.makers:
            roots = [self.union.root(label) for label in made.tolist()]
            free = [root for root in dict.fromkeys(roots) if root not in self.union.reason and root not in gene_of]
            if free:
                group = Group(name, start=len(gene_of), size=len(free))
                groups.append(group)
                gene_of.update(zip(free, range(group.start, group.start + group.size), strict=True))
            elif (reason := self.union.reason.get(roots[0])) is not None:
                pinned[name] = reason
        dims: dict[str, dict[int, NDArray[np.int64]]] = {}
        for (tensor, dim), labels in self.bound.items():
            genes = np.array([gene_of.get(self.union.root(label), -1) for label in labels.tolist()], dtype=np.int64)
            dims.setdefault(tensor, {})[dim] = genes
        return Channels(
            groups=tuple(groups),
            dims=dims,
            layers=tuple(self.layers.values()),
            pinned=pinned,
            uncounted=tuple(sorted(self.uncounted)),
        )


def _shared_parameters(part: fx.GraphModule) -> set[str]:
    """Names of parameters that stand under several names."""
    names: dict[int, list[str]] = {}
    for name, parameter in part.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {name for same in names.values() if len(same) > 1 for name in same}


def _operation(node: fx.Node) -> str:
    return getattr(node.target, "__name__", str(node.target))


_PASSING_MODULES = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Mish,
    nn.Sigmoid,
    nn.Tanh,
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)

_FUNCTIONS: dict[Any, Callable[[_Walk, fx.Node], bool]] = {
    **dict.fromkeys(
        [
            F.relu,
            torch.relu,
            F.relu6,
            F.leaky_relu,
            F.gelu,
            F.silu,
            F.hardswish,
            F.hardsigmoid,
            torch.sigmoid,
            torch.tanh,
            F.dropout,
            F.max_pool2d,
            F.avg_pool2d,
            F.adaptive_avg_pool2d,
            F.adaptive_max_pool2d,
            "relu",
            "relu_",
            "sigmoid",
            "tanh",
            "contiguous",
        ],
        _Walk._pass,
    ),
    **dict.fromkeys([operator.add, operator.iadd, torch.add, "add", "add_"], _Walk._sum),
    **dict.fromkeys([torch.cat, torch.concat], _Walk._concatenate),
    **dict.fromkeys([torch.flatten, "flatten"], _Walk._flatten),
    "reshape": _Walk._reshape,
    **dict.fromkeys([torch.mean, "mean"], _Walk._mean),
    operator.getitem: _Walk._index,
    F.pad: _Walk._pad,
    **dict.fromkeys(["size", getattr], _Walk._size),
}
