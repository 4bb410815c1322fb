from __future__ import annotations

import numpy as np
import torch
from hypothesis import given

from emopms.network.importance import magnitude

from .chains import Case, cases
from .networks import conv_norm_linear, examples, whole


def test_magnitude_by_hand() -> None:
    net = conv_norm_linear()
    sub = whole(net)
    made = net.get_parameter("conv.weight").detach().abs().sum((1, 2, 3)).numpy()
    read = net.get_parameter("scores.weight").detach().abs().sum(0).numpy()
    expected = made / made.mean() + read.reshape(4, 4).sum(1) / read.mean()
    np.testing.assert_allclose(magnitude(sub), expected, rtol=1e-5)


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


@given(cases())
@examples
def test_every_gene_has_a_score(case: Case) -> None:
    for sub in case.divided():
        scores = magnitude(sub)
        assert scores.shape == (sub.channels.genes,)
        assert scores.dtype == np.float64
        assert np.isfinite(scores).all()
        assert (scores > 0).all()
