"""A tracer that runs the forward pass on an example while it records the operations, so that all values are known.

Plain torch.fx fails if the forward branches on a shape or loops over a shape. This tracer takes the branch that the
value for the example selects, and marks the node of the value as deciding. The package `channels.labels` then never
prunes the widths that this value depends on.
"""

from __future__ import annotations

import operator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx, nn

from emopms.network.layers.head_counts import head_count_attributes, number_of_heads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class TracedValue(fx.Proxy):
    """A value of the forward pass, together with the node that computes it.

    ``isinstance`` sees the class of the value, because the forward of a network may test whether its input is a tensor
    or a list of tensors.
    """

    def __init__(self, node: fx.Node, tracer: RecordingTracer, value: Any) -> None:
        super().__init__(node, tracer)
        self.value = value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.value)

    def __getattr__(self, name: str) -> Any:
        if not callable(getattr(self.value, name)):
            return self.tracer.create_proxy("call_function", getattr, (self, name), {})
        return lambda *args, **kwargs: self.tracer.create_proxy("call_method", name, (self, *args), kwargs)

    def __iadd__(self, other: Any) -> TracedValue:
        return self._in_place(operator.iadd, operator.add, other)

    def __isub__(self, other: Any) -> TracedValue:
        return self._in_place(operator.isub, operator.sub, other)

    def __imul__(self, other: Any) -> TracedValue:
        return self._in_place(operator.imul, operator.mul, other)

    def __itruediv__(self, other: Any) -> TracedValue:
        return self._in_place(operator.itruediv, operator.truediv, other)

    def _in_place(self, own: Callable[..., Any], plain: Callable[..., Any], other: Any) -> TracedValue:
        """Record an augmented assignment such as ``x += y``.

        The operation is recorded as in place for a tensor, because other names may refer to the same tensor. It is
        recorded as a new value for numbers and shapes.
        """
        target = own if isinstance(self.value, Tensor) else plain
        result: TracedValue = self.tracer.create_proxy("call_function", target, (self, other), {})  # type: ignore[assignment]
        return result

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self.value)))  # type: ignore[index]

    def __len__(self) -> int:
        if isinstance(self.value, Tensor):
            return int(self.size(0))
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self._decide())

    def __int__(self) -> int:
        return int(self._decide())

    def __float__(self) -> float:
        return float(self._decide())

    def __hash__(self) -> int:
        return hash(self._decide()) if isinstance(self.value, int) else super().__hash__()

    def __index__(self) -> int:
        return int(self._decide().__index__())

    def _decide(self) -> Any:
        """Return the plain value that Python needs for a decision, such as the condition of an ``if``.

        Raises:
            TraceError: The value depends on the content of the images.
        """
        if not self.node.meta["static"]:
            raise fx.proxy.TraceError(f"its forward branches on {self.node.name!r}, which depends on the image")
        self.node.meta["decides"] = True
        return self.value


class RecordingTracer(fx.Tracer):
    """Records one forward pass.

    Each node's ``meta`` holds these entries:

    - ``shape``, ``dtype`` and ``device``, if the node's value is a tensor.
    - ``static``: whether the value depends on shapes and settings alone, and not on the content of the images.
    - ``value``: the value itself, if it is static and not a tensor.
    - ``decides``: True if the forward branched on the value.
    - ``saved``: for a tensor of the module, whether it is part of the module's state dict.

    Args:
        is_leaf: Returns whether a module is recorded as one call. Otherwise the operations of its forward are recorded.
        inputs: Example inputs. Further optional arguments of the forward keep their defaults.
        follow: Whether an attribute that changes with the size of a weight, such as a number of heads, is recorded as a
            size of this weight. Otherwise it is a constant in the graph, and its weight must keep its size.
    """

    proxy_buffer_attributes = True

    def __init__(self, is_leaf: Callable[[nn.Module], bool], inputs: tuple[Tensor, ...], *, follow: bool) -> None:
        super().__init__()
        self._is_leaf = is_leaf
        self._inputs = iter(inputs)
        self._names = ["x", *(f"x{index}" for index in range(1, len(inputs)))][: len(inputs)]
        self._running = False
        self._follow = follow
        self._numbers_of: dict[str, list[_Number]] = {}

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> fx.Graph:
        self._saved = set(root.state_dict())
        with self._numbers(root):
            return super().trace(root, concrete_args)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        return root_fn, [self.root, *(self.create_proxy("placeholder", name, (), {}) for name in self._names)]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return self._is_leaf(m)

    def create_arg(self, a: Any) -> Any:
        return a.node if type(a) is TracedValue else super().create_arg(a)

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *_: Any, **__: Any
    ) -> TracedValue:
        """Record an operation, and run it on the example."""
        node = self.create_node(kind, target, self.create_arg(args), self.create_arg(kwargs))
        value = self._run(kind, target, args, kwargs)
        _describe(node, value)
        return TracedValue(node, self, value)

    def create_node(self, kind: str, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        if kind in ("call_module", "get_attr"):
            self._tie(target.removesuffix(".weight"))
        node = super().create_node(kind, target, *args, **kwargs)
        if kind == "get_attr":  # torch.fx creates these nodes itself if a tensor is an argument
            _describe(node, self._run(kind, target, (), {}))
            node.meta["saved"] = target in self._saved
        return node

    def _run(self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        positional, named = fx.node.map_aggregate(args, _plain), fx.node.map_aggregate(kwargs, _plain)
        self._running = True  # operations inside this operation are executed, but not recorded
        try:
            if kind == "placeholder":
                return next(self._inputs)
            if kind == "get_attr":
                owner, _, name = target.rpartition(".")
                return getattr(self.root.get_submodule(owner), name)
            if kind == "call_module":
                return self.root.get_submodule(target)(*positional, **named)
            if kind == "call_method":
                return getattr(positional[0], target)(*positional[1:], **named)
            return target(*positional, **named)
        finally:
            self._running = False

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return forward(*args, **kwargs) if self._running else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if isinstance(attr_val, _Number):
            return attr_val.value if self._running else self._number(attr_val)
        return attr_val if self._running else super().getattr(attr, attr_val, parameter_proxy_cache)

    @contextmanager
    def _numbers(self, root: nn.Module) -> Iterator[None]:
        """Within the context, record each read of an attribute that follows a weight as a size of this weight.

        An attribute follows a weight if it must change when the weight gets smaller. These attributes are moved to the
        module's buffers. PyTorch looks there for attributes that are not in ``vars()``, and calls the tracer's
        ``getattr``.
        """
        found: list[tuple[nn.Module, str, _Number]] = []
        for path, module in root.named_modules():
            projection, numbers = head_count_attributes(module)
            for name, width in numbers.items():
                layer = f"{path}.{projection}".removeprefix(".")
                number = _Number(layer, vars(module)[name], "call_function", number_of_heads, width)
                self._numbers_of.setdefault(number.layer, []).append(number)
                found.append((module, name, number))
            for name in _WIDTHS.keys() & vars(module).keys() if isinstance(module, _WIDE) else ():
                number = _Number(path, vars(module)[name], "call_method", "size", _WIDTHS[name])
                if number.value == module.weight.shape[number.argument]:
                    found.append((module, name, number))
        moved = found if self._follow else []
        try:
            for module, name, number in moved:  # after the loop above, which reads them
                module._buffers[name] = number  # type: ignore[assignment]
                del vars(module)[name]
            yield
        finally:
            for module, name, number in moved:
                del module._buffers[name]
                vars(module)[name] = number.value

    def _number(self, number: _Number) -> TracedValue:
        weight = self.create_proxy("get_attr", f"{number.layer}.weight".removeprefix("."), (), {})
        return self.create_proxy(number.kind, number.reader, (weight, number.argument), {})

    def _tie(self, projection: str) -> None:
        """Record the numbers of heads that follow a projection when the forward uses the projection.

        They are recorded even if the forward does not read them, because surgery changes them when it prunes the
        projection.
        """
        for number in self._numbers_of.pop(projection, ()):
            recorded = self._number(number)
            if not self._follow:
                recorded._decide()


@dataclass(frozen=True)
class _Number:
    """An integer attribute of a module that must change when the weight of a layer gets smaller."""

    layer: str
    """Path of the layer whose weight decides the number."""
    value: int
    kind: str
    """The kind of the node that computes the number from the weight."""
    reader: Any
    """The target of the node that computes the number from the weight."""
    argument: int
    """The argument that follows the weight in the node that computes the number."""


def _describe(node: fx.Node, value: Any) -> None:
    if isinstance(value, Tensor):
        node.meta |= {"shape": tuple(value.shape), "dtype": value.dtype, "device": value.device, "static": False}
        return
    asks = node.target in (getattr, number_of_heads) or (node.op == "call_method" and node.target in _QUESTIONS)
    node.meta["static"] = asks or all(used.meta["static"] for used in node.all_input_nodes)
    if node.meta["static"]:
        node.meta["value"] = value


def _plain(argument: Any) -> Any:
    return argument.value if type(argument) is TracedValue else argument


_WIDE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_WIDTHS = {"out_channels": 0, "out_features": 0, "in_channels": 1, "in_features": 1}
"""Size attributes of the layers in ``_WIDE``. Each value is the dimension of the weight whose size the attribute holds.
In a convolution with several groups, ``in_channels`` is not the size of a dimension."""

_QUESTIONS = {"size", "dim", "ndimension", "numel", "nelement", "stride", "is_contiguous", "is_floating_point"}
"""Methods of tensors whose result does not depend on the tensor's values."""
