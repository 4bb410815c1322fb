"""Divides a network at split points. The sub-networks, run one after another, compute what the network computes.

This is the first of the four ideas of EMO-PMS (arXiv 2303.16212): N = N_n ∘ … ∘ N_1.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from emopms.errors import NetworkError, did_you_mean
from emopms.network.graph.closeness import are_close
from emopms.network.graph.nodes import module_path, path_prefixes, shape_of
from emopms.network.graph.subgraph import part_of
from emopms.network.graph.trace import trace
from emopms.network.layers.modes import in_eval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, fx, nn


class SplitPointError(NetworkError):
    """A split point is not the path of a module in the forward pass, or the network cannot be cut after this module."""

    def __init__(self, index: int, message: str, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.index = index


def divide(network: nn.Module, points: Sequence[str], example: Tensor) -> list[fx.GraphModule]:
    """Cut a network into parts after each of its split points.

    Args:
        network: The network. It is not copied: the parts share its parameters.
        points: Split points: paths of modules, in the order of the forward pass. If there is none, the whole network is
            the only part.
        example: A batch of images [N, C, H, W] that fits the network.

    Returns:
        ``len(points) + 1`` graph modules with one input tensor and one output tensor each. Their parameters are the
        parameters of ``network``, under the same names.

    Raises:
        SplitPointError: A split point does not exist or is out of order.
        NetworkError: More than one tensor would pass from a part to the next part.
    """
    traced = trace(network, example)
    nodes = list(traced.graph.nodes)
    ends = _ends(nodes, points, network)
    parts = []
    source = nodes[0]  # the value that enters the part: the images, later the value at each split
    start = 1
    for index, end in enumerate([*ends, len(nodes) - 2]):
        inside = nodes[start : end + 1]
        _check_crossing(nodes, start, end, source, index)
        parts.append(part_of(traced, source, inside, nodes[end]))
        source, start = nodes[end], end + 1
    return parts


def crossing(network: nn.Module, points: Sequence[str], example: Tensor) -> tuple[fx.GraphModule, list[str]]:
    """Return the traced whole network, and the names of the nodes whose values pass from one part to the next part.

    Args:
        network, points, example: Arguments with which `divide` has divided the network before.
    """
    traced = trace(network, example)
    nodes = list(traced.graph.nodes)
    return traced, [nodes[end].name for end in _ends(nodes, points, network)]


def require_same_function(
    network: nn.Module, parts: Sequence[nn.Module], points: Sequence[str], example: Tensor
) -> None:
    """Check that the parts of a network, run one after another, give the same output as the network.

    Args:
        network, points, example: The arguments of `divide`.
        parts: The result of `divide`.

    Raises:
        NetworkError: The outputs differ in fp64, or differ by more than rounding errors in the network's own number
            format.
    """
    try:
        double = copy.deepcopy(network).double()
    except RuntimeError as error:
        raise NetworkError(
            f"{type(network).__name__} cannot be copied: {error}",
            remedy="If it uses torch.nn.utils.weight_norm, use torch.nn.utils.parametrizations.weight_norm instead.",
        ) from error
    with in_eval(network), in_eval(double), torch.no_grad():
        same = are_close(_composed(parts, example), network(example))
        try:
            expected = double(example.double())
        except RuntimeError:  # a network whose code demands another number format cannot run in fp64
            expected = None
        if expected is not None:
            same = same and torch.equal(_composed(divide(double, points, example.double()), example.double()), expected)
    if not same:
        raise NetworkError(
            f"The parts of {type(network).__name__} do not compose to what it computes.",
            remedy="Choose other split points, or another model; in one of your own, let the forward depend on nothing "
            "but the images.",
        )


def _composed(parts: Sequence[nn.Module], images: Tensor) -> Tensor:
    for part in parts:
        images = part.eval()(images)
    return images


def _ends(nodes: list[fx.Node], points: Sequence[str], network: nn.Module) -> list[int]:
    """Return, for each split point, the index of the last node that the module at this point made."""
    paths = [module_path(node) for node in nodes]
    ends: list[int] = []
    for index, point in enumerate(points):
        inside = [i for i, path in enumerate(paths) if path == point or path.startswith(f"{point}.")]
        if not inside:
            depth = point.count(".") + 1
            known = {prefix for path in paths for prefix in path_prefixes(path)[:depth]}
            raise SplitPointError(
                index,
                f"The network has no module {point!r} in its forward pass.",
                remedy=did_you_mean(point, known),
            )
        if (ends and inside[-1] <= ends[-1]) or inside[-1] >= len(nodes) - 2:
            raise SplitPointError(
                index,
                f"Split point {point!r} leaves nothing between it and its neighbour.",
                remedy="List split points in the order of the forward pass, each before the network's last layer.",
            )
        ends.append(inside[-1])
    return ends


def _check_crossing(nodes: list[fx.Node], start: int, end: int, source: fx.Node, index: int) -> None:
    """Check that a part has ``source`` as its only input, and one tensor for a batch of images as its output.

    Args:
        nodes: All nodes of the network.
        start, end: Indices of the first and the last node of the part.
        source: The node whose value enters the part.
        index: Index of the part.

    Raises:
        NetworkError: The part has another input or another kind of output.
    """
    position = {node: i for i, node in enumerate(nodes)}
    for node in nodes[start : end + 1]:
        for used in node.all_input_nodes:
            if position[used] < start and used is not source and used.op != "get_attr":
                raise SplitPointError(
                    index - 1,
                    f"A second tensor crosses the split before {node.name!r}: the output of {used.name!r} "
                    f"(module {module_path(used) or 'the network itself'!r}) skips over it.",
                    remedy="Choose split points that no skip connection passes, such as the ends of stages.",
                )
    leaving = shape_of(nodes[end])
    if leaving is None:
        raise NetworkError(
            f"What leaves the network at {nodes[end].name!r} is not one tensor.",
            remedy="Split after a module that returns one tensor; the network itself must return one, too.",
        )
    images = (shape_of(nodes[0]) or ())[:1]
    if leaving[:1] != images:
        raise NetworkError(
            f"What leaves the network at {nodes[end].name!r} has shape {list(leaving)} for {images[0]} images.",
            remedy="Split where images come first, as in [N, C, H, W] or [N, tokens, C]; in the scores, too.",
        )
