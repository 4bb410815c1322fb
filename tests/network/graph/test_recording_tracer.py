from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from emopms.network.graph.recording_tracer import RecordingTracer
from emopms.network.graph.trace import is_layer

from ..networks import IMAGES, Net


def recorded(run: Any, *, follow: bool = True, **layers: nn.Module) -> fx.Graph:
    return RecordingTracer(is_layer, (IMAGES,), follow=follow).trace(Net(run, **layers).double())


def node(graph: fx.Graph, target: Any) -> fx.Node:
    found: fx.Node = next(node for node in graph.nodes if node.target == target)
    return found


def test_nodes_hold_shapes_and_static_values() -> None:
    graph = recorded(lambda net, x: net.conv(x).reshape(x.shape[0] * 1, -1), conv=nn.Conv2d(2, 3, 1))
    convolution = node(graph, "conv")
    assert (convolution.meta["shape"], convolution.meta["dtype"]) == ((3, 3, 6, 6), torch.float64)
    assert not convolution.meta["static"]
    assert node(graph, getattr).meta["value"] == (3, 2, 6, 6)


def test_the_value_that_a_branch_depends_on_is_marked() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        return x.relu() if x.size(1) > 1 else x

    graph = recorded(run)
    assert [node.name for node in graph.nodes if node.meta.get("decides")] == ["gt"]
    assert node(graph, "relu") is not None


def test_a_branch_on_what_images_show_is_refused() -> None:
    with pytest.raises(fx.proxy.TraceError, match="depends on the image"):
        recorded(lambda net, x: x if x.sum() > 0 else -x)


def test_a_loop_over_a_shape_is_unrolled() -> None:
    graph = recorded(lambda net, x: torch.stack([part.relu() for part in x.unbind(1)], 1))
    assert sum(node.target == "relu" for node in graph.nodes) == 2


@pytest.mark.parametrize("follow", [True, False])
def test_the_width_of_a_layer_is_read_from_its_weight(follow: bool) -> None:
    convolution = nn.Conv2d(2, 4, 1)
    graph = recorded(lambda net, x: net.conv(x).reshape(3, net.conv.out_channels, -1), follow=follow, conv=convolution)
    assert any(node.op == "get_attr" and node.target == "conv.weight" for node in graph.nodes) == follow
    assert convolution.out_channels == 4
    assert "out_channels" in vars(convolution)


def test_augmented_assignments_are_in_place_for_tensors_alone() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        size, y = x.size(0), x.relu()
        size *= 2
        y *= 2
        return y.reshape(size, -1)

    names = [getattr(node.target, "__name__", "") for node in recorded(run).nodes if node.op == "call_function"]
    assert sorted(names) == ["imul", "mul"]
