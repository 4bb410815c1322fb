from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

import pytest
import torch
from torch import nn

from emopms.network.layers.batchnorm import recalibrate, use_batch_statistics

from ..networks import randomise

if TYPE_CHECKING:
    from torch import Tensor


def batches(count: int, size: int = 8) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 2, 6, 6, generator=generator, dtype=torch.float64) + i for i in range(count)]


def network() -> nn.Sequential:
    layers = (
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4, momentum=0.2),
        nn.Dropout(0.5),
        nn.Conv2d(4, 3, 3),
        nn.BatchNorm2d(3),
    )
    return cast("nn.Sequential", randomise(nn.Sequential(*layers), 0))


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean((0, 2, 3)), x.transpose(0, 1).flatten(1).var(dim=1, unbiased=True)


@pytest.mark.parametrize("number", [1, 3])
def test_statistics_are_the_plain_average_over_batches_without_dropout(number: int) -> None:
    net = network().train()
    first, last = cast("nn.BatchNorm2d", net[1]), cast("nn.BatchNorm2d", net[4])
    early, late = [], []
    with torch.no_grad():
        for x in batches(number):
            x = net[0](x)
            early.append(statistics(x))
            mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
            x = (x - mean) / (var + first.eps).sqrt()
            x = x * first.weight.view(1, -1, 1, 1) + first.bias.view(1, -1, 1, 1)
            late.append(statistics(net[3](x)))
    recalibrate(net, batches(number))
    for norm, expected in ((first, early), (last, late)):
        torch.testing.assert_close(norm.running_mean, torch.stack([mean for mean, _ in expected]).mean(0))
        torch.testing.assert_close(norm.running_var, torch.stack([var for _, var in expected]).mean(0))


def test_recalibrating_twice_is_the_same_as_once() -> None:
    net = network()
    recalibrate(net, batches(3))
    once = copy.deepcopy(net.state_dict())
    recalibrate(net, batches(3))
    torch.testing.assert_close(net.state_dict(), once, rtol=0, atol=0)


def test_the_network_is_left_in_eval_with_its_own_momentum_and_parameters() -> None:
    net = network().train()
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    recalibrate(net, batches(2))
    assert not any(module.training for module in net.modules())
    assert [net[1].momentum, net[4].momentum] == [0.2, 0.1]
    torch.testing.assert_close({n: p.detach() for n, p in net.named_parameters()}, before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in net.parameters())


def test_batch_statistics_in_eval_are_those_of_training() -> None:
    net = network()
    cast("nn.Dropout", net[2]).p = 0.0
    (x,) = batches(1)
    expected = copy.deepcopy(net).train()(x)
    judged = copy.deepcopy(net)
    use_batch_statistics(judged)
    torch.testing.assert_close(judged.eval()(x), expected)
    assert not torch.allclose(net(x), expected)


def test_batch_statistics_need_no_memory_of_earlier_batches() -> None:
    net = network()
    use_batch_statistics(net)
    first, second = batches(2)
    alone = net(second)
    net(first)
    torch.testing.assert_close(net(second), alone, rtol=0, atol=0)
    assert not list(net.buffers())
