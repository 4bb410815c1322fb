"""Fused operations compute what the layers do one by one, in every order in which those may stand."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emopms.builtin.nets.mobilenet import MobileNetV2
from emopms.builtin.nets.resnet import ResNetCifar
from emopms.network.graph.trace import trace
from emopms.network.inference.evaluator import Evaluator
from emopms.network.inference.executor import ExecutorSettings
from emopms.network.inference.fusion import Fused, Norm, fuse
from emopms.network.partition.subnetwork import subnetworks_of
from emopms.network.runtime.device import in_layout

from ..networks import Net, random_genome, randomise

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import fx


def _images(count: int = 4, *, size: int = 8) -> Tensor:
    return torch.randn(count, 4, size, size, generator=torch.Generator().manual_seed(0)).to(
        memory_format=torch.channels_last
    )


def _traced(forward: Callable[[Any, Tensor], Tensor], **layers: nn.Module) -> tuple[nn.Module, fx.GraphModule]:
    network = in_layout(randomise(Net(forward, **layers), 0).float(), torch.channels_last)
    return network, trace(network, _images(2))


def resnet() -> nn.Module:
    return ResNetCifar(8, width=4, channels=3, classes=10)


def mobilenet() -> nn.Module:
    return MobileNetV2(width=0.25, channels=3, classes=10)


def _conv(groups: int = 1, *, bias: bool = False, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(4, 4, 3, padding=1, groups=groups, bias=bias, stride=stride)


CHAINS: dict[str, tuple[Callable[[Any, Tensor], Tensor], int]] = {
    "alone": (lambda net, x: net.norm(net.conv(x)), 1),
    "relu": (lambda net, x: F.relu(net.norm(net.conv(x))), 2),
    "relu, in place": (lambda net, x: net.norm(net.conv(x)).relu_(), 2),
    "relu6": (lambda net, x: F.relu6(net.norm(net.conv(x))), 2),
    "silu": (lambda net, x: F.silu(net.norm(net.conv(x))), 2),
    "hardswish": (lambda net, x: F.hardswish(net.norm(net.conv(x))), 2),
    "tanh, which no kernel has": (lambda net, x: torch.tanh(net.norm(net.conv(x))), 1),
    "sum": (lambda net, x: x + net.norm(net.conv(x)), 2),
    "sum and relu": (lambda net, x: F.relu(net.norm(net.conv(x)) + x), 3),
    "sum and silu": (lambda net, x: F.silu(net.norm(net.conv(x)) + x), 3),
    "sum with itself": (lambda net, x: _twice(net.norm(net.conv(x))), 1),
    "sum of what is broadcast": (lambda net, x: net.norm(net.conv(x)) + x.mean((2, 3), keepdim=True), 1),
    "used twice": (lambda net, x: _used_twice(net.norm(net.conv(x))), 1),
    "convolution used twice": (lambda net, x: _norm_beside(net.conv(x), net.norm), 0),
}


def _twice(y: Tensor) -> Tensor:
    return y + y


def _used_twice(y: Tensor) -> Tensor:
    return F.relu(y) * y.mean((2, 3), keepdim=True)


def _norm_beside(y: Tensor, norm: nn.Module) -> Tensor:
    return y * norm(y)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("how", [{}, {"groups": 4, "bias": True}, {"groups": 2, "bias": True}])
def test_a_chain_is_one_operation(name: str, how: dict[str, int]) -> None:
    forward, nodes = CHAINS[name]
    network, module = _traced(forward, conv=_conv(**how), norm=nn.BatchNorm2d(4))  # type: ignore[arg-type]
    before = len(module.graph.nodes)
    (operation,) = fuse(module)
    assert isinstance(operation, Fused if nodes else Norm)
    assert len(module.graph.nodes) == before - nodes
    x = _images()
    with torch.no_grad():
        torch.testing.assert_close(module(x), network(x), msg="with running statistics")
        network.train()
        operation.forget()
        operation.learning = True
        expected = network(x)
        torch.testing.assert_close(module(x), expected, msg="learning")
        operation.learning = False
        torch.testing.assert_close(module(x), expected, msg="with what was learnt")


def test_what_is_overwritten_meanwhile_is_read_before() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.first(x)
        y = net.norm(net.conv(x))
        x = x.relu_()
        return F.relu(y + x)

    network, module = _traced(forward, first=_conv(), conv=_conv(), norm=nn.BatchNorm2d(4))
    x = _images()
    with torch.no_grad():
        expected = network(x)
        fuse(module)
        torch.testing.assert_close(module(x), expected)


def test_layers_that_do_more_than_their_name_says_are_left_alone() -> None:
    class Louder(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    network, module = _traced(lambda net, x: net.norm(net.conv(x)), conv=_conv(), norm=Louder(4))
    assert fuse(module) == []
    with torch.no_grad():
        torch.testing.assert_close(module(_images()), network(_images()))


@pytest.mark.slow
@pytest.mark.parametrize("make", [resnet, mobilenet])
@pytest.mark.parametrize("batch_statistics", [True, False])
def test_chunks_give_what_the_whole_batch_gives(make: Callable[[], nn.Module], batch_statistics: bool) -> None:
    """The statistics being those of the first images, whatever comes after them."""
    torch.manual_seed(0)
    network = in_layout(randomise(make(), 0).float(), torch.channels_last)
    (sub,) = subnetworks_of(network, [], torch.zeros(2, 3, 32, 32))
    genome = random_genome(sub, 0)
    images = torch.randn(12, 3, 32, 32).to(memory_format=torch.channels_last)
    settings = ExecutorSettings(statistics_images=5, max_chunk_elements=1)
    found = Evaluator(sub, batch_statistics=batch_statistics, settings=settings).run(images, genome)
    with torch.no_grad():
        if not batch_statistics:
            torch.testing.assert_close(found, sub.forward(images, genome), rtol=1e-4, atol=1e-5)
            return
        alone = Evaluator(sub, settings=settings).run(images[:5], genome)
        torch.testing.assert_close(found[:5], alone, rtol=1e-4, atol=1e-5)
        again = Evaluator(sub, settings=settings).run(torch.cat([images[:5], images[9:]]), genome)
        torch.testing.assert_close(found[9:], again[5:], rtol=1e-4, atol=1e-5)


def test_the_network_is_left_alone() -> None:
    network = randomise(resnet(), 0).float()
    (sub,) = subnetworks_of(network, [], torch.zeros(2, 3, 32, 32))
    before, graph = copy.deepcopy(network.state_dict()), str(sub.module.graph)
    Evaluator(sub).run(torch.randn(3, 3, 32, 32), random_genome(sub, 0))
    assert str(sub.module.graph) == graph
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def _statement(net: Any, x: Tensor) -> Tensor:
    x = net.first(x)
    x.add_(net.norm(net.conv(x)))
    return torch.tanh(x)


def _augmented(net: Any, x: Tensor) -> Tensor:
    y = x = net.first(x)
    y += net.norm(net.conv(x))
    return torch.tanh(x)


@pytest.mark.parametrize("forward", [_statement, _augmented])
def test_a_sum_that_overwrites_what_others_read_is_left_alone(forward: Callable[[Any, Tensor], Tensor]) -> None:
    network, module = _traced(forward, first=_conv(), conv=_conv(), norm=nn.BatchNorm2d(4))
    fuse(module)
    with torch.no_grad():
        torch.testing.assert_close(module(_images()), network(_images()))


@pytest.mark.parametrize("hooked", ["conv", "norm"])
def test_layers_with_hooks_are_left_alone(hooked: str) -> None:
    network, module = _traced(lambda net, x: net.norm(net.conv(x)), conv=_conv(), norm=nn.BatchNorm2d(4))
    network.get_submodule(hooked).register_forward_hook(lambda _module, _inputs, output: 2 * output)
    fuse(module)
    with torch.no_grad():
        torch.testing.assert_close(module(_images()), network(_images()))


def test_names_of_the_network_are_left_alone() -> None:
    network, module = _traced(lambda net, x: net.norm(net.fused_0(x)), fused_0=_conv(), norm=nn.BatchNorm2d(4))
    fuse(module)
    with torch.no_grad():
        torch.testing.assert_close(module(_images()), network(_images()))
