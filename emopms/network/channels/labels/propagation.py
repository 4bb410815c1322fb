"""Gives labels to all values in a sub-network's graph, node by node in the order of execution.

A label is an integer that stands for a set of indices that are kept or dropped together.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import fx, nn

from emopms.network.channels.labels.elementwise import RESIDUAL
from emopms.network.channels.labels.genes import Genes
from emopms.network.channels.labels.operation import (
    LeftOut,
    NotUnderstoodError,
    Operation,
    Size,
    Unknown,
    Value,
    fixed,
    handler_of,
    values_in,
)
from emopms.network.channels.labels.union_find import UnionFind
from emopms.network.channels.limits import NO_LIMITS
from emopms.network.channels.table import Channels, Layer
from emopms.network.graph.nodes import shape_of
from emopms.network.layers.attention_macs import is_attention, product_macs, projection_macs, tokens_of
from emopms.network.layers.attributes import RESIZABLE
from emopms.network.layers.shared_tensors import names_by_tensor

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import Tensor

    from emopms.network.channels.labels.union_find import Labels
    from emopms.network.channels.limits import Limits


PRUNE_RESIDUAL = "`genome: {prune_residual: true}`"
"""The setting in a spec that lets channels that residual connections add be pruned, for messages."""
PRUNE_BOUNDARIES = "`genome: {prune_boundaries: true}`"
"""The setting in a spec that lets channels that cross split points be pruned, for messages."""
ENTERS, LEAVES = "it enters the sub-network", "it leaves the sub-network"
"""Why the channels of an input and of an output are not prunable, for messages."""


def channels_of(
    part: fx.GraphModule,
    *,
    prune_residual: bool = False,
    limits: Limits = NO_LIMITS,
    only: Collection[str] | None = None,
    explain: bool = True,
) -> Channels:
    """Return the channel table of a sub-network.

    Args:
        part: The sub-network, as `emopms.network.graph.trace.trace` returns it or as a part of such a graph.
        prune_residual: Whether channels that residual connections inside the sub-network add are pruned too. All layers
            whose outputs are added to each other then keep the same channels.
        limits: What layers keep.
        only: Names of nodes. If given, only the channels of these nodes' values are genes.
        explain: Whether to look for a second reason why a layer whose output a residual connection adds is not pruned.
            If there is none, the recorded reason says that the layer can be pruned with ``prune_residual``. The search
            for reasons doubles the time of this function.
    """
    walk = _Walk(part, prune_residual=prune_residual, limits=limits, only=only)
    walk.run(part.graph, part, "", None, [])
    channels = walk.table()
    if not explain or RESIDUAL not in channels.pinned.values():
        return channels
    opened = channels_of(part, prune_residual=True, limits=limits, only=only).pinned
    reasons = {name: opened.get(name, f"{RESIDUAL}, which {PRUNE_RESIDUAL} opens") for name in channels.pinned}
    return replace(
        channels, pinned={name: reasons[name] if why == RESIDUAL else why for name, why in channels.pinned.items()}
    )


class _Walk:
    """Visits the nodes of a sub-network's graph one after another, and gives labels to the indices of their values."""

    def __init__(
        self, part: fx.GraphModule, *, prune_residual: bool, limits: Limits, only: Collection[str] | None
    ) -> None:
        self._part = part
        self._limits = limits
        self._only = only
        self._wanted: list[Labels] = []
        self._prune_residual = prune_residual
        self._union = UnionFind()
        self._names = names_by_tensor(
            (*part.named_parameters(remove_duplicate=False), *part.named_buffers(remove_duplicate=False))
        )
        self._tensors: dict[int, Value] = {}
        self._layers: dict[str, Layer] = {}
        self._makers: list[tuple[str, Labels]] = []
        self._never_cut: dict[str, int] = {}
        self._left_out = LeftOut()
        self._merged_later: list[tuple[Labels, Labels]] = []

    def run(self, graph: fx.Graph, owner: nn.Module, prefix: str, layer: nn.Module | None, inputs: list[Value]) -> Any:
        """Give labels (see `Value`) to all values of one graph, and return the output with its labels.

        Args:
            graph: The sub-network's graph, or the graph inside a layer.
            owner: The module in which the targets of the graph's nodes are looked up.
            prefix: Path of ``owner`` in the sub-network, with a dot at its end. It is empty for the sub-network itself.
            layer: The layer, if its size attributes are adapted when its tensors get smaller. Otherwise None.
            inputs: The inputs of the layer, with their labels. Empty for the sub-network itself.
        """
        env: dict[fx.Node, Any] = {}
        given = iter(inputs)
        for node in graph.nodes:
            args = fx.node.map_arg(node.args, env.__getitem__)
            kwargs: Mapping[str, Any] = fx.node.map_arg(node.kwargs, env.__getitem__)
            if node.op == "placeholder":
                env[node] = next(given, None) or self._enter(node)
            elif node.op == "output":
                if not prefix:
                    self._pin(args, LEAVES)
                return args[0]
            elif node.op == "get_attr":
                env[node] = self._tensor(node, owner, prefix)
            elif node.op == "call_module":
                env[node] = self._call_layer(node, prefix + str(node.target), args, kwargs)
            else:
                env[node] = self._call(node, layer, args, kwargs)
            if self._only is not None and not prefix and node.name in self._only:
                self._wanted += env[node].dims
            if node.meta.get("decides"):
                self._pin(env[node], f"the forward branches on {_operation(node)}")
        raise AssertionError("a graph ends with its output")

    def _enter(self, node: fx.Node) -> Value:
        return self._blank(node, ENTERS)

    def _tensor(self, node: fx.Node, owner: nn.Module, prefix: str) -> Value:
        """Return the labels (see `Value`) of a parameter or buffer. Every use of the tensor gets the same labels.

        Constants and tensors of integers are never pruned.
        """
        if not node.meta["saved"] or not node.meta["dtype"].is_floating_point:
            return Value(tuple(map(fixed, shape_of(node) or ())), learnt=True)
        path, _, name = str(node.target).rpartition(".")
        layer = owner.get_submodule(path)
        tensor: Tensor = getattr(layer, name)
        if id(tensor) not in self._tensors:
            channels = 2 if isinstance(layer, nn.modules.conv._ConvNd) else tensor.ndim  # without those of the kernel
            dims = (*map(self._union.fresh, tensor.shape[:channels]), *map(fixed, tensor.shape[channels:]))
            self._tensors[id(tensor)] = Value(dims, learnt=True)
        return self._tensors[id(tensor)]

    def _call(self, node: fx.Node, layer: nn.Module | None, args: Any, kwargs: Mapping[str, Any]) -> Any:
        involved = list(values_in((args, dict(kwargs))))
        if not involved:  # the operation depends on settings alone
            return self._opaque(node, None)
        handler = handler_of(node.target)
        name = _operation(node)
        operation = Operation(self._union, name, node, layer, self._left_out, self._prune_residual, self._merged_later)
        try:
            if handler is None or any(isinstance(value, Unknown) for value in involved):
                raise NotUnderstoodError
            try:
                bound = inspect.signature(handler).bind(operation, *args, **kwargs)
            except TypeError:
                raise NotUnderstoodError from None
            result = handler(*bound.args, **bound.kwargs)
            operation.require(not isinstance(result, Value) or result.shape == shape_of(node))
        except NotUnderstoodError as error:
            if handler is None and not node.meta["static"]:
                self._left_out.add(name)
            reason = f"it meets {name}, {error}"
            self._pin(involved, reason)
            return self._opaque(node, reason)
        if isinstance(result, Value):
            learnt = all(value.learnt for value in involved if isinstance(value, Value))
            return Value(result.dims, learnt=learnt)
        return result

    def _call_layer(self, node: fx.Node, path: str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        layer = self._part.get_submodule(path)
        name, weighted = type(layer).__name__, isinstance(layer, nn.modules.conv._ConvNd | nn.Linear)
        if weighted:
            self._count(node, path, layer)
        elif is_attention(layer):
            self._count_attention(node, path, layer)
        elif not isinstance(layer, RESIZABLE) and any(True for _ in layer.parameters(recurse=False)):
            self._left_out.add(name)
        inputs = [value for value in args if isinstance(value, Value)]
        inside: fx.Graph | None = node.meta["inside"]
        result: Any = None
        if inside is not None and len(inputs) == len(args) and not kwargs:
            result = self.run(inside, layer, f"{path}.", layer if isinstance(layer, RESIZABLE) else None, inputs)
        if not isinstance(result, Value):
            if not is_attention(layer):
                self._left_out.add(name)
            reason = f"it meets {name}, {_why_not(layer)}"
            self._pin((args, dict(kwargs)), reason)
            for tensor in (*layer.parameters(), *layer.buffers()):
                if id(tensor) in self._tensors:
                    self._pin(self._tensors[id(tensor)], reason)
                else:
                    self._tensors[id(tensor)] = Value(tuple(map(fixed, tensor.shape)))
            result = self._opaque(node, reason)
        if weighted and isinstance(result, Value):
            self._makers.append((path, result.dims[-1 if isinstance(layer, nn.Linear) else 1]))
        return result

    def _count(self, node: fx.Node, path: str, layer: nn.Module) -> None:
        """Record how many multiplications use each element of a convolution's or linear layer's weight for one image.

        This is the number of positions of the layer's output, or of its input if the convolution is transposed. It is
        read from the shape for one image. The shape for a batch, divided by the size of the batch, would be wrong for
        layers that run on constants, such as position biases: they run once for the whole batch.
        """
        transposed = isinstance(layer, nn.modules.conv._ConvTransposeNd)
        shape: tuple[int, ...] = (node.all_input_nodes[0] if transposed else node).meta["shape_of_one"]
        positions = math.prod(shape) // shape[-1 if isinstance(layer, nn.Linear) else 1]
        known = self._layers.get(path)  # a layer that runs twice costs twice
        self._layers[path] = Layer(path, f"{path}.weight", positions + (known.uses if known else 0))

    def _count_attention(self, node: fx.Node, path: str, layer: nn.MultiheadAttention) -> None:
        """Record the MACs of the projections in an attention layer. These projections are never pruned.

        Also record that the cost model does not count the products of tokens with tokens.
        """
        shapes = [tokens.meta["shape_of_one"] for tokens in tokens_of(node.args, node.kwargs)]
        self._never_cut[path] = projection_macs(layer, *shapes) + self._never_cut.get(path, 0)
        self._left_out.add(type(layer).__name__, product_macs(layer, *shapes[:2]))

    def _opaque(self, node: fx.Node, reason: str | None) -> Any:
        """Return the output of an operation that is not understood. No index of this output may be pruned."""
        shape = shape_of(node)
        if shape is None:
            return node.meta["value"] if node.meta["static"] else Unknown()
        if reason is None:
            return Value(tuple(map(fixed, shape)))
        return self._blank(node, reason)

    def _blank(self, node: fx.Node, reason: str) -> Value:
        """Return the value of a node whose indices are never pruned, for the given reason."""
        label = self._union.fresh(1)
        self._union.pin(label, reason)
        return Value(tuple(np.repeat(label, size) for size in shape_of(node) or ()))

    def _pin(self, argument: Any, reason: str) -> None:
        for value in values_in(argument):
            for labels in value.dims if isinstance(value, Value) else [value.labels] if isinstance(value, Size) else []:
                self._union.pin(labels, reason)

    def table(self) -> Channels:
        """Return the channel table. Each label whose indices may still be pruned may become a gene."""
        for left, right in self._merged_later:
            self._union.merge(left, right)
        genes = Genes(self._union, self._makers, self._limits, None if self._only is None else self._wanted)
        dims: dict[str, dict[int, Labels]] = {}
        for identity, value in self._tensors.items():
            for dim, labels in enumerate(value.dims):
                own = genes.of(labels)
                if (own >= 0).any():
                    for name in self._names[identity]:
                        dims.setdefault(name, {})[dim] = own
        return Channels(
            groups=genes.groups,
            dims=dims,
            layers=tuple(self._layers.values()),
            pinned=genes.pinned,
            uncounted=self._left_out.names,
            uncounted_macs=self._left_out.macs,
            never_cut=self._never_cut,
            limited=genes.limited,
            prunable=genes.prunable,
        )


def _operation(node: fx.Node) -> str:
    return str(getattr(node.target, "__name__", node.target))


def _why_not(layer: nn.Module) -> str:
    if isinstance(layer, nn.MultiheadAttention):
        return "which divides the width of what it reads among its heads"
    return "which is not understood here"
