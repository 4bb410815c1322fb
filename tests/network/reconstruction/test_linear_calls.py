from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from emopms.network.reconstruction.linear_calls import LinearCall, Watch

from ..networks import examples


def watched(layer: nn.Module, images: Tensor) -> list[tuple[str, LinearCall | None]]:
    """The uses of the layer's parameters in one forward pass."""
    uses: list[tuple[str, LinearCall | None]] = []
    names = {id(parameter): name for name, parameter in layer.named_parameters()}
    with torch.no_grad(), Watch(names, lambda name, call: uses.append((name, call))):
        layer(images)
    return uses


def computed(call: LinearCall, at: Tensor) -> Tensor:
    """The outputs [rows, O] that follow from what the call read at the positions."""
    weight = call.weight.reshape(call.groups, len(call.weight) // call.groups, -1)
    outputs = torch.einsum("rgf,gof->rgo", call.input_rows(at), weight).flatten(1)
    return outputs if call.bias is None else outputs + call.bias


@st.composite
def convolutions(draw: st.DrawFn) -> nn.Conv2d:
    sizes: list[int | tuple[int, int]] = [1, 2, (1, 3)]
    stride = draw(st.integers(1, 2))
    paddings: list[int | tuple[int, int] | str] = [0, 1, (1, 2), "valid", *(["same"] if stride == 1 else [])]
    padding = draw(st.sampled_from(paddings))
    return nn.Conv2d(
        4,
        8,
        draw(st.sampled_from(sizes)),
        stride=stride,
        padding=padding,
        dilation=draw(st.sampled_from(sizes[:2])),
        groups=draw(st.sampled_from([1, 2, 4])),
        bias=draw(st.booleans()),
        padding_mode="zeros" if padding == "valid" else draw(st.sampled_from(["zeros", "circular"])),
    ).double()


@given(convolutions(), st.integers(0, 2**16))
@examples
@torch.no_grad()
def test_rows_of_convolutions_compute_their_outputs(layer: nn.Conv2d, seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    (call,) = [call for name, call in watched(layer, torch.randn(3, 4, 9, 8).double()) if name == "weight"]
    assert call is not None
    assert call.positions == call.outputs.shape[2] * call.outputs.shape[3]
    at = torch.randint(call.positions, (3, 5), generator=drawn)
    torch.testing.assert_close(computed(call, at), call.output_rows(at))


@torch.no_grad()
def test_rows_of_linear_layers_compute_their_outputs() -> None:
    layer = nn.Linear(4, 3).double()
    for shape, positions in (((2, 4), 1), ((2, 5, 4), 5), ((2, 3, 5, 4), 15)):
        (call,) = [call for name, call in watched(layer, torch.randn(shape).double()) if name == "weight"]
        assert call is not None
        assert call.positions == positions
        at = torch.arange(positions).flip(0).expand(2, -1)
        torch.testing.assert_close(computed(call, at), call.output_rows(at))


class _Padding(nn.Conv2d):
    """Pads its inputs itself, as TensorFlow's convolutions do in timm."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, bias=self.bias, stride=self.stride)


@torch.no_grad()
def test_what_counts_is_the_call_and_not_the_layer() -> None:
    (call,) = [call for name, call in watched(_Padding(4, 2, 3, stride=2), torch.randn(2, 4, 8, 8)) if name == "weight"]
    assert call is not None
    at = torch.arange(call.positions).expand(2, -1)
    torch.testing.assert_close(computed(call, at), call.output_rows(at))


def test_other_uses_are_reported_without_a_call() -> None:
    layer = nn.ConvTranspose2d(4, 2, 3)
    assert watched(layer, torch.randn(2, 4, 8, 8)) == [("weight", None), ("bias", None)]
    uses = watched(nn.Linear(4, 2), torch.randn(2, 4))
    assert [(name, call is None) for name, call in uses] == [("weight", False), ("bias", True)]
