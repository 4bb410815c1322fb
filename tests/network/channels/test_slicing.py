from __future__ import annotations

import numpy as np
import torch

from emopms.network.channels.slicing import slice_tensors

from ..networks import conv_norm_linear, whole


def test_each_tensor_keeps_the_rows_of_the_channels_kept() -> None:
    net = conv_norm_linear()
    channels = whole(net).channels
    state = net.state_dict()
    sliced = slice_tensors(state, channels, np.array([True, False, False, True]))
    rows, columns = [0, 3], [0, 1, 2, 3, 12, 13, 14, 15]
    expected = {
        "conv.weight": state["conv.weight"][rows],
        "conv.bias": state["conv.bias"][rows],
        **{f"norm.{name}": state[f"norm.{name}"][rows] for name in ("weight", "bias", "running_mean", "running_var")},
        "norm.num_batches_tracked": state["norm.num_batches_tracked"],
        "scores.weight": state["scores.weight"][:, columns],
        "scores.bias": state["scores.bias"],
    }
    torch.testing.assert_close(sliced, expected, rtol=0, atol=0)


def test_what_loses_nothing_is_not_copied() -> None:
    net = conv_norm_linear()
    channels = whole(net).channels
    state = net.state_dict()
    dense = slice_tensors(state, channels, np.ones(4, dtype=bool))
    assert all(dense[name] is state[name] for name in state)
    sliced = slice_tensors(state, channels, np.array([True, True, True, False]))
    assert sliced["scores.bias"] is state["scores.bias"]
    assert sliced["conv.weight"] is not state["conv.weight"]


def test_the_tensors_given_are_left_alone_and_strangers_pass_through() -> None:
    net = conv_norm_linear()
    channels = whole(net).channels
    state = {"conv.weight": net.get_parameter("conv.weight").detach().clone(), "other": torch.ones(7)}
    before = state["conv.weight"].clone()
    sliced = slice_tensors(state, channels, np.array([False, True, False, False]))
    sliced["conv.weight"].zero_()
    torch.testing.assert_close(state["conv.weight"], before, rtol=0, atol=0)
    assert sliced["other"] is state["other"]
    assert set(sliced) == set(state)


def test_gradients_flow_into_the_rows_kept_alone() -> None:
    net = conv_norm_linear()
    channels = whole(net).channels
    weight = net.get_parameter("conv.weight")
    sliced = slice_tensors({"conv.weight": weight}, channels, np.array([True, False, True, False]))
    (gradient,) = torch.autograd.grad(sliced["conv.weight"].sum(), weight)
    assert [row.unique().tolist() for row in gradient] == [[1], [0], [1], [0]]
