"""Traces a network to a graph. Each node knows the shape of its value and the module that made the node."""

from __future__ import annotations

import linecache
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from emopms.errors import NetworkError
from emopms.network.graph.closeness import are_close
from emopms.network.graph.nodes import shape_of
from emopms.network.graph.recording_tracer import RecordingTracer
from emopms.network.graph.time_limit import time_limit
from emopms.network.layers.attributes import RESIZABLE
from emopms.network.layers.head_counts import head_count_attributes
from emopms.network.layers.modes import in_eval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


def trace(network: nn.Module, example: Tensor) -> fx.GraphModule:
    """Trace a network into a graph of its own layers.

    The graph module shares every parameter and submodule with ``network``, under the same names. A layer, as `is_layer`
    defines it, is recorded as one call, so that it still behaves differently in training mode and in eval mode. The
    forward of a larger module is recorded in eval mode. Therefore functional dropout, as in
    ``F.dropout(x, training=self.training)``, is off in the graph.

    Each node's ``meta`` holds the entries that `RecordingTracer` describes. If the node's value is a tensor, ``meta``
    also holds ``shape_of_one``, the shape of the value for one image.

    Args:
        network: A classifier whose input is one tensor of images. The forward must not branch on the content or the
            number of the images.
        example: A batch of images [N, C, H, W], on the network's device.

    Raises:
        NetworkError: The network fails on the example, cannot be traced or takes too long; or the traced network gives
            another output; or the output for an image depends on the other images of the batch.
    """
    if len(example) == 1:
        example = torch.cat([example, example])
    one = example[:1]
    with time_limit(network), in_eval(network), torch.no_grad():  # no dropout, and no update of statistics
        try:
            expected = network(one)
        except Exception as error:
            raise NetworkError(
                f"{type(network).__name__} fails on an input of shape {tuple(one.shape)}: {error}",
                remedy="Check that the backbone's parameters fit the images of the data.",
            ) from error
        try:
            return _checked(network, example, expected, follow=True)
        except NetworkError:
            if not any(head_count_attributes(module)[1] for module in network.modules()):
                raise
            return _checked(network, example, expected, follow=False)  # record numbers of heads as constants


@contextmanager
def recorded(module: nn.Module, *inputs: Tensor, follow: bool = True) -> Iterator[fx.Graph]:
    """Yield a graph of one module's forward: calls of functions, and calls of the layers inside the module.

    Within the context, the constants that the graph refers to are attributes of the module.

    Args:
        module: The module.
        inputs: Example inputs.
        follow: The argument ``follow`` of `RecordingTracer`: whether numbers of heads are recorded as sizes of weights.
    """
    own = set(vars(module))
    try:
        yield RecordingTracer(is_layer, inputs, follow=follow).trace(module)
    finally:
        for name in set(vars(module)) - own:
            delattr(module, name)


def is_layer(module: nn.Module) -> bool:
    """Return whether a module is recorded as one call.

    These modules are recorded as one call: PyTorch's own layers, layers of classes derived from these, and modules that
    read ``self.training`` and have no children with parameters, such as stochastic depth. If the operations of a module
    of the last kind were recorded, the graph would hold the operations of one mode only.
    """
    if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
        return False
    if type(module).__module__.startswith(("torch.nn", "torch.ao.nn")) or isinstance(module, RESIZABLE):
        return True
    code = getattr(type(module).forward, "__code__", None)
    return (
        code is not None
        and "training" in code.co_names
        and not any(True for child in module.children() for _ in child.parameters())
    )


def _checked(network: nn.Module, example: Tensor, expected: Any, *, follow: bool) -> fx.GraphModule:
    traced = _graph_module(network, example, follow=follow)
    _check(traced, example[:1], expected, type(network).__name__)
    if isinstance(expected, torch.Tensor) and expected.shape[:1] == (1,):
        _require_independent(traced, example, type(network).__name__)
    _look_inside(traced.graph, network)
    return traced


def _graph_module(network: nn.Module, example: Tensor, *, follow: bool) -> fx.GraphModule:
    try:
        with recorded(network, example, follow=follow) as graph:
            for node in graph.nodes:
                if node.op == "call_method" and node.target == "view":
                    node.target = "reshape"  # a view fails after slicing or channels-last has changed the strides
            return with_source(fx.GraphModule(network, graph, class_name=type(network).__name__))
    except NetworkError:
        raise
    except Exception as error:
        raise NetworkError(
            f"{type(network).__name__} cannot be traced by torch.fx: {error}",
            remedy="Choose another model; in one of your own, mark functions that branch on tensor values "
            "with torch.fx.wrap.",
        ) from error


def with_source(module: fx.GraphModule) -> fx.GraphModule:
    """Free the generated source code of a graph module together with the module.

    Otherwise torch.fx keeps the source code for tracebacks until the process ends.
    """
    file = type(module).forward.__code__.co_filename
    for sources in (fx.graph_module._loader.eval_cache, linecache.cache):
        weakref.finalize(module, sources.pop, file, None)
    return module


def _look_inside(graph: fx.Graph, owner: nn.Module) -> None:
    """Set ``meta["inside"]`` of every call of a layer to a graph of the layer's forward.

    The value is None if the layer's forward cannot be recorded.
    """
    for node in graph.nodes:
        if node.op == "call_module":
            layer = owner.get_submodule(str(node.target))
            try:
                with recorded(layer, *_like_inputs(node, "shape")) as inside:
                    if any(inner.op == "call_module" for inner in inside.nodes):
                        with recorded(layer, *_like_inputs(node, "shape_of_one")) as on_one:
                            for inner, same in zip(inside.nodes, on_one.nodes, strict=True):
                                inner.meta["shape_of_one"] = shape_of(same)
                    _look_inside(inside, layer)
                    node.meta["inside"] = inside
            except Exception:  # an unknown layer may raise anything; its channels are then never pruned
                node.meta["inside"] = None


def _like_inputs(node: fx.Node, shape: str) -> list[Tensor]:
    """Return zeros like a node's input tensors, with the shapes in ``meta[shape]``."""
    return [
        torch.zeros(used.meta[shape], dtype=used.meta["dtype"], device=used.meta["device"])
        for used in node.all_input_nodes
        if shape_of(used) is not None
    ]


def _check(traced: fx.GraphModule, one: Tensor, expected: Any, name: str) -> None:
    """Raise an error if the graph, traced with several images, does not give the network's output for one image."""
    try:
        found = _OnOne(traced).run(one)
    except Exception as error:
        found, why = None, f": {error}"
    else:
        why = ""
    if isinstance(expected, torch.Tensor) and not (isinstance(found, torch.Tensor) and are_close(found, expected)):
        raise NetworkError(
            f"{name} computes something else when traced by torch.fx{why}",
            remedy="Choose another model; in one of your own, let the forward depend on nothing but the images, "
            "whatever their number.",
        )


def _require_independent(traced: fx.GraphModule, example: Tensor, name: str) -> None:
    """Raise an error if the output for an image depends on the other images of the batch."""
    noise = torch.randn((3, *example.shape[1:]), generator=torch.Generator().manual_seed(0)).to(example)
    # Both batches have the same size, so that the same kernels run and rounding is the same.
    if not are_close(traced(noise[:2])[:1], traced(noise[[0, 2]])[:1]):
        raise NetworkError(
            f"The output of {name} for an image depends on the other images of the batch, in eval mode too.",
            remedy="Look for operations over the batch, such as batch norm with track_running_stats=False.",
        )


class _OnOne(fx.Interpreter):
    """Runs a graph on one image, and sets ``shape_of_one`` in the ``meta`` of each node."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.extra_traceback = False  # an error message without the graph

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, torch.Tensor):
            n.meta["shape_of_one"] = tuple(value.shape)
        return value
