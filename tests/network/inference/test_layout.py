"""Convolution weights lie channels-last wherever the network runs so; nothing else is laid out anew."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from emopms.network.inference.evaluator import Evaluator
from emopms.network.inference.layout import kernels_2d, layout_for
from emopms.network.partition.subnetwork import subnetworks_of
from emopms.network.runtime.device import Device

from ..networks import Net, pruned_copy, random_genome

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Filter(nn.Module):
    """Multiplies spectra by complex numbers, which are kept as pairs in four dimensions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.rand(width, 8, 5, 2))

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x) * torch.view_as_complex(self.filter)
        return torch.fft.irfft2(spectrum, s=(8, 8))  # type: ignore[no-any-return]


class Viewed(nn.Conv2d):
    """A layer that looks at its output with another shape, which fails for channels-last."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y.view(len(y), -1).view(y.shape)


def filtered() -> nn.Module:
    return Net(
        lambda net, x: net.scores(net.c(net.filter(net.b(net.a(x).relu())).relu()).relu().mean((2, 3))),
        a=nn.Conv2d(3, 4, 3, padding=1),
        b=nn.Conv2d(4, 4, 3, padding=1),
        filter=Filter(4),
        c=nn.Conv2d(4, 6, 3, padding=1),
        scores=nn.Linear(6, 3),
    ).eval()


def viewed() -> nn.Module:
    return Net(
        lambda net, x: net.scores(net.b(net.a(x).relu()).mean((2, 3))),
        a=nn.Conv2d(3, 4, 3, padding=1),
        b=Viewed(4, 4, 3, padding=1),
        scores=nn.Linear(4, 3),
    ).eval()


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_numbers_in_four_dimensions_that_are_no_kernel_stay_as_they_lie(layout: torch.memory_format) -> None:
    network = Device("cpu", layout=layout).place(filtered())
    assert network.get_parameter("filter.filter").is_contiguous()
    assert network.get_parameter("a.weight").is_contiguous(memory_format=layout)
    (sub,) = subnetworks_of(network, [], IMAGES)
    genome = random_genome(sub, 0)
    with torch.no_grad():
        expected = pruned_copy(network, [sub], [genome])(IMAGES)
    torch.testing.assert_close(Evaluator(sub, batch_statistics=False).run(IMAGES, genome), expected)


def test_a_network_with_such_numbers_fits_channels_last() -> None:
    network = filtered()
    assert Device("cpu", int8=True).fitted(network, IMAGES) == Device("cpu", int8=True)
    assert network.get_parameter("a.weight").is_contiguous()


def test_candidates_keep_to_the_layout_that_the_network_needs() -> None:
    network = viewed()
    device = Device("cpu").fitted(network, IMAGES)
    assert device.layout == torch.contiguous_format
    (sub,) = subnetworks_of(device.place(network), [], IMAGES)
    assert layout_for(sub.module) == torch.contiguous_format
    genome = random_genome(sub, 0)
    with torch.no_grad():
        expected = pruned_copy(network, [sub], [genome])(IMAGES)
    torch.testing.assert_close(Evaluator(sub, batch_statistics=False).run(IMAGES, genome), expected)


def test_weights_lie_as_before_when_the_layout_is_known() -> None:
    (sub,) = subnetworks_of(filtered(), [], IMAGES)
    before = copy.deepcopy(sub.module.state_dict())
    assert layout_for(sub.module) == torch.channels_last
    assert all(sub.module.state_dict()[name].stride() == tensor.stride() for name, tensor in before.items())
    assert kernels_2d(sub.module).keys() == {"a.weight", "b.weight", "c.weight"}


def test_a_network_that_runs_in_no_layout_is_told_so_when_it_runs() -> None:
    (sub,) = subnetworks_of(filtered(), [], IMAGES)
    sub.module.get_submodule("scores").weight = nn.Parameter(torch.zeros(3, 1))
    assert layout_for(sub.module) == torch.channels_last
