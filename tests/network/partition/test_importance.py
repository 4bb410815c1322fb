from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from emopms.network.partition.importance import DIRECTIONS, IMAGES_PER_DIRECTION, magnitude, sensitivity
from emopms.network.partition.subnetwork import subnetworks_of

from ..chains import Case, cases
from ..networks import IMAGES, Net, conv_norm_linear, examples, whole


def test_magnitude_by_hand() -> None:
    net = conv_norm_linear()
    sub = whole(net)
    made = net.get_parameter("conv.weight").detach().abs().sum((1, 2, 3)).numpy()
    read = net.get_parameter("scores.weight").detach().abs().sum(0).numpy()
    expected = made / made.mean() + read.reshape(4, 4).sum(1) / read.mean()
    np.testing.assert_allclose(magnitude(sub), expected, rtol=1e-5)


def test_a_weight_that_two_layers_share_counts_as_that_of_a_layer_that_runs_twice() -> None:
    first, last = nn.Conv2d(2, 4, 1), nn.Linear(4, 3)
    once, again = nn.Conv2d(4, 4, 1, bias=False), nn.Conv2d(4, 4, 1, bias=False)
    again.weight = once.weight
    twice = Net(lambda net, x: net.d(net.b(net.b(net.a(x)).relu()).mean((2, 3))), a=first, b=once, d=last)
    shared = Net(lambda net, x: net.d(net.c(net.b(net.a(x)).relu()).mean((2, 3))), a=first, b=once, c=again, d=last)
    one, other = whole(twice), whole(shared)
    np.testing.assert_allclose(magnitude(one), magnitude(other))
    found, expected = (sensitivity(sub, IMAGES, np.random.default_rng(0)) for sub in (other, one))
    np.testing.assert_allclose(found, expected)


def test_a_channel_of_zeros_matters_least() -> None:
    net = conv_norm_linear()
    sub = whole(net)
    with torch.no_grad():
        net.get_parameter("conv.weight")[2] = 0
        net.get_parameter("scores.weight")[:, 8:12] = 0
    scores = magnitude(sub)
    assert scores.argmin() == 2
    assert scores[2] == 0


def test_a_network_of_zeros_has_no_division_by_zero() -> None:
    net = conv_norm_linear()
    sub = whole(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    assert magnitude(sub).tolist() == [0, 0, 0, 0]


def test_the_scale_of_a_layer_does_not_matter() -> None:
    net = conv_norm_linear()
    sub = whole(net)
    before = magnitude(sub)
    with torch.no_grad():
        net.get_parameter("conv.weight").mul_(100)
    np.testing.assert_allclose(magnitude(sub), before, rtol=1e-5)


@pytest.mark.slow
def test_sensitivity_is_the_squared_effect_of_fading() -> None:
    """On a network that is linear in each channel, the effect of fading is that of dropping, found one by one."""
    torch.manual_seed(0)
    tail = [nn.Conv2d(6, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)]
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), *tail).eval()
    sub = subnetworks_of(net, ["2"], torch.zeros(2, 3, 6, 6))[0]
    images = torch.randn(IMAGES_PER_DIRECTION * DIRECTIONS, 3, 6, 6)
    with torch.no_grad():
        dense = sub.forward(images)
        alone = [float((sub.forward(images, genome) - dense).square().sum()) for genome in ~np.eye(6, dtype=bool)]
    found = np.mean([sensitivity(sub, images, np.random.default_rng(seed)) for seed in range(20)], axis=0)
    np.testing.assert_allclose(found, alone, rtol=0.2)


@pytest.mark.slow
def test_in_the_last_sub_network_sensitivity_is_the_curvature_of_its_divergence() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5)).double().eval()
    sub = whole(net)
    images = torch.randn(IMAGES_PER_DIRECTION * DIRECTIONS, 2, 6, 6, dtype=torch.float64)
    step, curvature = 1e-2, []
    with torch.no_grad():
        dense = net(images).log_softmax(dim=1)
        for gene in range(6):
            faded = copy.deepcopy(net)
            faded.get_parameter("3.weight")[:, 16 * gene : 16 * gene + 16] *= 1 - step
            divergence = F.kl_div(faded(images).log_softmax(dim=1), dense, log_target=True, reduction="sum")
            curvature.append(2 * float(divergence) / step**2)
    found = np.mean([sensitivity(sub, images, np.random.default_rng(seed)) for seed in range(20)], axis=0)
    np.testing.assert_allclose(found, curvature, rtol=0.2)


def test_sensitivity_leaves_the_network_and_its_mode_alone() -> None:
    net = conv_norm_linear()
    sub = whole(net)
    sub.module.train()
    before = {name: tensor.clone() for name, tensor in sub.module.state_dict().items()}
    with torch.inference_mode():
        images = IMAGES.clone()
        sensitivity(sub, images, np.random.default_rng(0))
    assert sub.module.training
    assert all(torch.equal(before[name], tensor) for name, tensor in sub.module.state_dict().items())
    assert all(p.grad is None for p in sub.module.parameters())


@given(cases())
@examples
def test_every_gene_has_a_sensitivity(case: Case) -> None:
    features = case.images[:2]
    for sub in case.divided():
        found = sensitivity(sub, features, np.random.default_rng(0))
        assert found.shape == (sub.channels.genes,)
        assert np.isfinite(found).all()
        assert (found >= 0).all()
        assert (sub.costs.macs_by_gene >= 0).all()
        with torch.no_grad():
            features = sub.forward(features)


@given(cases())
@examples
def test_every_gene_has_a_score(case: Case) -> None:
    for sub in case.divided():
        scores = magnitude(sub)
        assert scores.shape == (sub.channels.genes,)
        assert scores.dtype == np.float64
        assert np.isfinite(scores).all()
        assert (scores > 0).all()
