from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emopms.errors import NetworkError
from emopms.network.graph.nodes import module_path, shape_of
from emopms.network.graph.trace import trace

from ..networks import IMAGES, Net


def small() -> Net:
    def run(net: Any, x: Any) -> Any:
        x = F.relu(net.body(x))
        return net.scores(x.view(x.size(0), -1))

    body = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    return Net(run, body=body, scores=nn.Linear(64, 3)).double()


def test_the_graph_shares_parameters_under_the_same_names() -> None:
    network = small()
    traced = trace(network, IMAGES)
    shared = dict(network.named_parameters())
    assert {name: id(p) for name, p in traced.named_parameters()} == {name: id(p) for name, p in shared.items()}


def test_nodes_know_shapes_and_the_modules_they_came_from() -> None:
    nodes = {node.name: node for node in trace(small(), IMAGES).graph.nodes}
    assert shape_of(nodes["body_0"]) == (3, 4, 4, 4)
    assert shape_of(nodes["view"]) == (3, 64)
    assert shape_of(nodes["size"]) is None
    assert module_path(nodes["body_1"]) == "body.1"
    assert module_path(nodes["relu"]) == ""


def test_a_function_within_a_module_belongs_to_it() -> None:
    inner = Net(lambda net, x: F.relu(net.conv(x)), conv=nn.Conv2d(2, 4, 3))
    outer = Net(lambda net, x: net.inner(x), inner=inner).double()
    nodes = {node.name: node for node in trace(outer, IMAGES).graph.nodes}
    assert module_path(nodes["relu"]) == "inner"


@pytest.mark.parametrize("training", [False, True])
def test_tracing_moves_no_statistics_and_keeps_the_mode(training: bool) -> None:
    network = small().train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trace(network, IMAGES)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert {module.training for module in network.modules()} == {training}


def test_a_frozen_batch_norm_stays_frozen() -> None:
    network = small().train()
    norm = network.get_submodule("body.1").eval()
    trace(network, IMAGES)
    assert not norm.training
    assert network.get_submodule("body.2").training


@pytest.mark.parametrize("training", [False, True])
def test_functional_dropout_is_off_in_eval_whatever_the_mode_when_traced(training: bool) -> None:
    network = Net(lambda net, x: F.dropout(net.conv(x), 0.5, training=net.training), conv=nn.Conv2d(2, 4, 3)).double()
    traced = trace(network.train(training), IMAGES)
    network.eval()
    traced.eval()
    torch.testing.assert_close(traced(IMAGES), network(IMAGES))


def test_a_network_that_branches_on_values_is_refused() -> None:
    network = Net(lambda net, x: net.conv(x) if x.sum() > 0 else x, conv=nn.Conv2d(2, 2, 1)).double()
    with pytest.raises(NetworkError, match=r"Net cannot be traced by torch\.fx") as caught:
        trace(network, IMAGES)
    assert "branch" in caught.value.remedy


def test_images_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"Net fails on an input of shape \(1, 5, 6, 6\)") as caught:
        trace(small(), torch.zeros(3, 5, 6, 6, dtype=torch.float64))
    assert caught.value.remedy


def test_the_refusal_of_a_wrong_shape_says_what_torch_said_and_prints_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(NetworkError, match=r"expected input.* to have 2 channels, but got 5 channels"):
        trace(small(), torch.zeros(3, 5, 6, 6, dtype=torch.float64))
    assert capfd.readouterr() == ("", "")


def test_a_refusal_keeps_the_mode_too() -> None:
    network = small().train()
    with pytest.raises(NetworkError):
        trace(network, torch.zeros(3, 5, 6, 6, dtype=torch.float64))
    assert all(module.training for module in network.modules())


class Attention(nn.Module):
    """Branches on shapes, asserts on them, and takes what nobody gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, scale: float = 2.0) -> Tensor:
        assert x.shape[1] == 2, f"got {x.shape[1]} channels"
        torch._assert(x.size(2) > 2, "too small")  # type: ignore[no-untyped-call]
        if isinstance(x, Tensor) and x.ndim == 4 and len(x.shape) == 4:
            x = self.conv(x)
        for _ in range(x.shape[2] // 2):
            x = x * scale if mask is None else x + mask
        n, _, *rest = x.shape
        return x.reshape(n, 4, -1).mean(-1) if sum(rest) > 2 else x


def test_branches_on_shapes_and_optional_arguments_are_traced() -> None:
    network = Attention().double().eval()
    traced = trace(network, IMAGES)
    for count in (1, 2, 7):
        images = torch.randn(count, 2, 6, 6, dtype=torch.float64)
        torch.testing.assert_close(traced(images), network(images))


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: net.conv(x).reshape(3, 2, 6, 6),
        lambda net, x: net.conv(x) + torch.ones(len(x), 2, 6, 6).double(),
        lambda net, x: net.conv(x) * (2 if x.shape[0] == 3 else 1),
    ],
)
def test_a_network_that_depends_on_the_number_of_images_is_refused(forward: Any) -> None:
    with pytest.raises(NetworkError) as caught:
        trace(Net(forward, conv=nn.Conv2d(2, 2, 1)).double(), IMAGES)
    assert caught.value.remedy


def test_a_network_that_computes_something_else_each_time_is_refused() -> None:
    network = Net(lambda net, x: net.conv(x) + torch.rand(1).double(), conv=nn.Conv2d(2, 2, 1)).double()
    with pytest.raises(NetworkError, match="something else when traced"):
        trace(network, IMAGES)


class Mode(nn.BatchNorm2d):
    """Functional batch norm of its own, with a mode."""

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training)


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if self.training else x


def test_layers_of_all_kinds_keep_their_mode() -> None:
    network = Net(lambda net, x: net.noise(net.norm(x)), norm=Mode(2), noise=Noise()).double()
    traced = trace(network, IMAGES)
    for training in (True, False):
        network.train(training)
        traced.train(training)
        torch.testing.assert_close(traced(IMAGES), network(IMAGES))
    assert not torch.equal(network.train()(IMAGES), network.eval()(IMAGES))


def test_constants_that_the_forward_makes_are_not_left_on_the_network() -> None:
    network = Net(lambda net, x: net.conv(x) * torch.tensor(2.0), conv=nn.Conv2d(2, 2, 1)).double()
    before = set(vars(network))
    trace(network, IMAGES)
    assert set(vars(network)) == before


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4, track_running_stats=False), nn.Conv2d(4, 2, 1)),
        Net(lambda net, x: net.b(net.a(x) - net.a(x).mean(0)), a=nn.Conv2d(2, 4, 1), b=nn.Conv2d(4, 2, 1)),
    ],
)
def test_images_must_not_depend_on_each_other(network: nn.Module) -> None:
    with pytest.raises(NetworkError, match="depends on the other images"):
        trace(network, torch.zeros(2, 2, 4, 4))
