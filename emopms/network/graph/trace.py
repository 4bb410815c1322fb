"""Tracing: a network as a graph whose nodes know their shapes and the modules they came from."""

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

    The graph module shares every parameter and submodule with ``network``, under the same names. Layers are called,
    not looked into (see `is_layer`), so that the user's own modules decide what training mode means; what a larger
    module's forward reads from ``self.training`` is read in eval mode: functional dropout is off in the graph.

    Each node's ``meta`` holds what `RecordingTracer` notes on the example and, where its value is a tensor,
    ``shape_of_one``, its shape for one image.

    Args:
        network: A classifier of one image tensor. Its forward must not branch on what images show, nor on how many
            there are.
        example: A batch of images [N, C, H, W], on the network's device.

    Raises:
        NetworkError: The network fails on the example, cannot be traced, takes too long, computes something else when
            traced, or what it computes of an image depends on the others in the batch.
    """
    if len(example) == 1:
        example = torch.cat([example, example])
    one = example[:1]
    with time_limit(network), in_eval(network), torch.no_grad():  # nothing is dropped out, and no statistics move
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
            return _checked(network, example, expected, follow=False)  # its heads are plain numbers, then


@contextmanager
def recorded(module: nn.Module, *inputs: Tensor, follow: bool = True) -> Iterator[fx.Graph]:
    """What one module's forward does, in terms of functions and of the layers inside it.

    The constants that the graph refers to are attributes of the module for as long as the context lasts.

    Args:
        follow: Whether numbers of heads follow (see `RecordingTracer`).
    """
    own = set(vars(module))
    try:
        yield RecordingTracer(is_layer, inputs, follow=follow).trace(module)
    finally:
        for name in set(vars(module)) - own:
            delattr(module, name)


def is_layer(module: nn.Module) -> bool:
    """Whether a module is called as a whole: PyTorch's own, those derived from them, and small ones with a mode.

    A module that reads ``self.training`` in its forward, such as stochastic depth, would lose that switch if only
    the operations of one mode were recorded.
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
                    node.target = "reshape"  # a view fails where slicing or channels-last changed the strides
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
    """Let the source of a graph module live as long as itself: torch.fx keeps it for tracebacks, and for ever."""
    file = type(module).forward.__code__.co_filename
    for sources in (fx.graph_module._loader.eval_cache, linecache.cache):
        weakref.finalize(module, sources.pop, file, None)
    return module


def _look_inside(graph: fx.Graph, owner: nn.Module) -> None:
    """Give every call of a layer a graph of what the layer does with such inputs, or None where nobody can tell."""
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
            except Exception:  # whatever a stranger's layer raises where it is traced: it is refused by its name
                node.meta["inside"] = None


def _like_inputs(node: fx.Node, shape: str) -> list[Tensor]:
    """Zeros like the tensors that enter a node, in the shapes that stand in ``meta``."""
    return [
        torch.zeros(used.meta[shape], dtype=used.meta["dtype"], device=used.meta["device"])
        for used in node.all_input_nodes
        if shape_of(used) is not None
    ]


def _check(traced: fx.GraphModule, one: Tensor, expected: Any, name: str) -> None:
    """That the graph computes what the network does, on one image where it was traced with more."""
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
    """That what is computed of an image does not depend on those beside it."""
    noise = torch.randn((3, *example.shape[1:]), generator=torch.Generator().manual_seed(0)).to(example)
    # Two batches of one size, for which the same kernels run: nothing is put down to rounding.
    if not are_close(traced(noise[:2])[:1], traced(noise[[0, 2]])[:1]):
        raise NetworkError(
            f"What {name} computes of an image depends on the other images of the batch, in eval mode too.",
            remedy="Look for operations over the batch, such as batch norm with track_running_stats=False.",
        )


class _OnOne(fx.Interpreter):
    """Runs a graph on one image and notes in its nodes' ``meta`` what shape each tensor has then."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.extra_traceback = False  # why it fails, and nothing else

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, torch.Tensor):
            n.meta["shape_of_one"] = tuple(value.shape)
        return value
