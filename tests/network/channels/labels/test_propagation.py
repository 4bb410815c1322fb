from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from torch import nn

from emopms.errors import NetworkError
from emopms.network.partition.subnetwork import subnetworks_of

from ...chains import Case, cases
from ...networks import IMAGES, Net, assert_prunes_well, examples, randomise, whole
from .around import around

if TYPE_CHECKING:
    from collections.abc import Callable


def behind(network: nn.Module) -> Net:
    """The network behind two layers that can be pruned, so that there is something to look at."""
    return Net(lambda net, x: net.inner(net.e(net.d(x))), d=nn.Conv2d(2, 3, 1), e=nn.Conv2d(3, 2, 1), inner=network)


@given(cases())
@examples
def test_groups_are_the_layers_nobody_needs_whole(case: Case) -> None:
    for sub, ledger in zip(case.divided(), case.network.ledgers(case.points), strict=True):
        assert [(group.name, group.size) for group in sub.channels.groups] == [
            (maker, ledger.makers[maker]) for maker in ledger.free
        ]
        starts = np.cumsum([0, *(group.size for group in sub.channels.groups)])
        assert [group.start for group in sub.channels.groups] == starts[:-1].tolist()
        assert sub.channels.genes == starts[-1]
        assert set(sub.channels.pinned) >= set(ledger.makers) - set(ledger.free)
        assert all(sub.channels.pinned.values())


@pytest.mark.parametrize(
    ("operation", "layers", "reason"),
    [
        (lambda net, x: net.op(x), {"op": nn.ConvTranspose2d(4, 4, 3, groups=2)}, "conv_transpose2d"),
        (lambda net, x: net.op(x), {"op": nn.InstanceNorm2d(4)}, "instance_norm"),
        (lambda net, x: net.op(x), {"op": nn.LayerNorm([4, 6, 6], elementwise_affine=False)}, "layer_norm"),
        (lambda net, x: net.op(x), {"op": nn.GroupNorm(4, 4, affine=False)}, "group_norm"),
        (lambda net, x: net.op(x), {"op": nn.Softmax(dim=1)}, "softmax"),
        (lambda net, x: net.op(x), {"op": nn.LocalResponseNorm(2)}, "unsqueeze|local_response_norm|LocalResponseNorm"),
        (lambda net, x: F.layer_norm(x, (4, 6, 6)), {}, "layer_norm"),
        (lambda net, x: F.conv2d(x, torch.ones(4, 1, 3, 3).double(), groups=4), {}, "conv2d"),
        (lambda net, x: x.softmax(1), {}, "softmax"),
        (lambda net, x: x.cumsum(1), {}, "cumsum"),
        (lambda net, x: torch.flip(x, [1]), {}, "flip"),
        (lambda net, x: x.roll(1, 1), {}, "roll"),
        (lambda net, x: x + x.mean(1, keepdim=True), {}, "mean"),
        (lambda net, x: torch.cat([x[:, 2:], x[:, :2]], dim=1), {}, "getitem"),
        (lambda net, x: x[:, [1, 0, 3, 2]], {}, "getitem"),
        (lambda net, x: x[:, ::2].repeat(1, 2, 1, 1), {}, "getitem"),
        (lambda net, x: x.split(2, 1)[0].sum(1, keepdim=True) * x, {}, "split"),
        (lambda net, x: x.unbind(1)[0][:, None] * x, {}, "unbind"),
        (lambda net, x: torch.chunk(x, 2, 1)[0].repeat_interleave(2, 1), {}, "repeat_interleave"),
        (lambda net, x: x.view(x.size(0), 2, 2, 6, 6).transpose(1, 2).reshape(x.size(0), 4, 6, 6), {}, "reshape"),
        (
            lambda net, x: x.reshape(-1, 4, 36).mean(2)[:, :, None, None],
            {},
            "reshape, which takes its width as a number",
        ),
        (lambda net, x: x if x.shape[1] % 2 == 0 else -x, {}, "mod"),
        (lambda net, x: x * float(x.shape[1]), {}, "branches on getitem"),
        (lambda net, x: F.pad(x, (0, 0, 0, 0, -1, 1)), {}, "pad"),
        (lambda net, x: F.normalize(x), {}, "normalize"),
        (lambda net, x: x / x.norm(dim=1, keepdim=True), {}, "norm"),
        (lambda net, x: x / torch.linalg.vector_norm(x, 2, (1, 2, 3), keepdim=True), {}, "vector_norm"),
        (lambda net, x: x / torch.norm(x, p=2, dim=(1, 2, 3), keepdim=True), {}, "norm"),
        (lambda net, x: x * net.b.out_channels**-0.5, {}, "pow"),
        (lambda net, x: net.op(x) * (net.op.in_channels + net.op.out_channels), {"op": nn.Conv2d(4, 4, 1)}, "add"),
        (lambda net, x: x / float(net.b.out_channels), {}, "branches on size"),
        (lambda net, x: torch.einsum("nchw,nchw->nchw", x, x), {}, "einsum"),
    ],
)
def test_what_is_not_understood_pins_with_its_name(
    operation: Callable[[Any, Any], Any], layers: dict[str, nn.Module], reason: str
) -> None:
    network = around(operation, **layers)
    sub = whole(network)
    assert [group.name for group in sub.channels.groups] == ["a"]
    assert re.search(reason, sub.channels.pinned["b"])
    assert_prunes_well(network, sub)


@pytest.mark.parametrize(
    ("operation", "layers", "free"),
    [
        (lambda net, x: net.op(x), {"op": nn.Conv2d(4, 4, 3, groups=4)}, {"b": 4}),
        (lambda net, x: net.op(x), {"op": nn.Conv2d(4, 4, 3, groups=2)}, {"b": 2, "op": 2}),
        (lambda net, x: net.op(x), {"op": nn.ConvTranspose2d(4, 4, 3)}, {"b": 4, "op": 4}),
        (lambda net, x: net.op(x), {"op": nn.LayerNorm([4, 6, 6])}, {"b": 4}),
        (lambda net, x: net.op(x), {"op": nn.GroupNorm(2, 4)}, {"b": 2}),
        (lambda net, x: net.op(x), {"op": nn.GroupNorm(4, 4)}, {"b": 4}),
        (lambda net, x: net.op(x), {"op": nn.InstanceNorm2d(4, affine=True)}, {"b": 4}),
        (lambda net, x: net.op(x), {"op": nn.PReLU(4)}, {"b": 4}),
        (lambda net, x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)), {}, {"b": 4}),
        (lambda net, x: x + x.mean((2, 3), keepdim=True), {}, {"b": 4}),
        (lambda net, x: x * x.norm(p=2, dim=(2, 3), keepdim=True), {}, {"b": 4}),
        (lambda net, x: x * torch.norm(x, 1, (2, 3), True), {}, {"b": 4}),
        (lambda net, x: x * torch.linalg.vector_norm(x, ord=3, dim=(2, 3))[:, :, None, None], {}, {"b": 4}),
        (lambda net, x: torch.cat([x, x], dim=2), {}, {"b": 4}),
        (lambda net, x: x[..., None].squeeze(-1), {}, {"b": 4}),
        (lambda net, x: x.permute(0, 2, 3, 1).flatten(1, 2).transpose(1, 2)[..., None], {}, {"b": 4}),
        (lambda net, x: x.view(x.size(0), 2, x.size(1) // 2, -1).flatten(1, 2).unsqueeze(3), {}, {"b": 2}),
        (lambda net, x: torch.matmul(x, x.transpose(2, 3)), {}, {"b": 4}),
        (lambda net, x: F.conv2d(x, net.b.weight, groups=1, padding=1), {}, {"a": 4}),
        (lambda net, x: x.reshape(3, net.b.out_channels, -1).mean(2)[:, :, None, None], {}, {"b": 4}),
        (lambda net, x: net.op(x).view(-1, net.op.out_channels, 6, 6), {"op": nn.Conv2d(4, 4, 1)}, {"b": 4, "op": 4}),
    ],
)
def test_what_is_understood_stays_free(
    operation: Callable[[Any, Any], Any], layers: dict[str, nn.Module], free: dict[str, int]
) -> None:
    network = around(operation, **layers)
    sub = whole(network)
    assert {group.name: group.size for group in sub.channels.groups} == {"a": 4, **free}
    assert_prunes_well(network, sub)


@pytest.mark.parametrize(
    ("operation", "width", "columns"),
    [
        (lambda net, x: F.dropout(F.gelu(x), training=False), 4, [0]),
        (lambda net, x: F.max_pool2d(F.silu(x), 2), 4, [0]),
        (lambda net, x: x.relu().sigmoid().contiguous(), 4, [0]),
        (lambda net, x: F.avg_pool2d(F.leaky_relu(x), 3, stride=2), 4, [0]),
        (lambda net, x: F.adaptive_max_pool2d(x, 2), 4, [0]),
        (lambda net, x: x[:, :, 1:4, ::2], 4, [0]),
        (lambda net, x: x + x, 4, [0]),
        (lambda net, x: x + 1.5, 4, [0]),
        (lambda net, x: torch.cat([x, F.relu(x)], 1), 8, [0, 4]),
        (lambda net, x: F.pad(x, (1, 1, 2, 2), value=0.7), 4, [0]),
        (lambda net, x: F.pad(x, (1, 0, 0, 0, 2, 1), value=0.7), 7, [2]),
    ],
)
def test_what_passes_channels_on_leaves_them_free(
    operation: Callable[[Any, Any], Any], width: int, columns: list[int]
) -> None:
    """``columns``: where the last layer reads the first channel of ``b``."""
    network = around(operation, width=nn.Linear(width, 3))
    sub = whole(network)
    assert [group.name for group in sub.channels.groups] == ["a", "b"]
    assert sub.channels.pinned == {"scores": "it leaves the sub-network"}
    assert_prunes_well(network, sub)
    genome = np.array([True, False, True, True, False, True, True, False])
    kept = sub.forward(IMAGES, genome)
    with torch.no_grad():
        network.get_parameter("b.weight")[:, ~genome[:4]] = 0
        for first in columns:
            network.get_parameter("scores.weight")[:, first : first + 4][:, ~genome[4:]] = 0
    torch.testing.assert_close(kept, network(IMAGES))


def test_a_residual_stream_is_pinned_with_all_that_feed_it() -> None:
    network = Net(
        lambda net, x: net.scores((net.left(x) + net.right(net.mid(x))).mean((2, 3))),
        left=nn.Conv2d(2, 4, 1),
        mid=nn.Conv2d(2, 5, 1),
        right=nn.Conv2d(5, 4, 1),
        scores=nn.Linear(4, 3),
    )
    sub = whole(network)
    assert [group.name for group in sub.channels.groups] == ["mid"]
    reason = "it belongs to a residual stream, which `genome: {prune_residual: true}` opens"
    assert sub.channels.pinned["left"] == sub.channels.pinned["right"] == reason


def test_a_residual_stream_that_would_not_open_is_pinned_for_what_keeps_it_closed() -> None:
    network = Net(
        lambda net, x: net.scores((net.left(x) + net.right(net.mid(x))).cumsum(1).mean((2, 3))),
        left=nn.Conv2d(2, 4, 1),
        mid=nn.Conv2d(2, 5, 1),
        right=nn.Conv2d(5, 4, 1),
        scores=nn.Linear(4, 3),
    )
    pinned = whole(network).channels.pinned
    assert pinned["left"] == pinned["right"] == "it meets cumsum, which is not understood here"


def test_pinning_reaches_back_through_everything_that_passes_channels_on() -> None:
    network = Net(
        lambda net, x: net.scores(torch.flip(net.pool(F.relu(net.norm(net.conv(x)))), [1]).flatten(1)),
        conv=nn.Conv2d(2, 4, 3),
        norm=nn.BatchNorm2d(4),
        pool=nn.MaxPool2d(2),
        scores=nn.Linear(16, 3),
    )
    with pytest.raises(NetworkError, match="conv: it meets flip"):
        whole(network)


def test_a_layer_used_twice_ties_what_goes_in_and_what_comes_out() -> None:
    network = Net(
        lambda net, x: net.scores(torch.cat([net.c(net.a(x)), net.c(net.b(x))], 1).mean((2, 3))),
        a=nn.Conv2d(2, 4, 1),
        b=nn.Conv2d(2, 4, 3, padding=1),
        c=nn.Conv2d(4, 5, 1),
        scores=nn.Linear(10, 3),
    )
    sub = whole(network)
    assert [(group.name, group.size) for group in sub.channels.groups] == [("a", 4), ("c", 5)]
    assert [layer.uses for layer in sub.channels.layers if layer.name == "c"] == [6 * 6 * 2]
    assert_prunes_well(network, sub)


def test_a_layer_fed_with_its_own_output_is_pinned_with_its_input() -> None:
    network = Net(
        lambda net, x: net.scores(net.c(F.relu(net.c(net.a(x)))).mean((2, 3))),
        a=nn.Conv2d(2, 4, 1),
        c=nn.Conv2d(4, 4, 1),
        scores=nn.Linear(4, 3),
    )
    sub = whole(network)
    assert [(group.name, group.size) for group in sub.channels.groups] == [("a", 4)]
    assert_prunes_well(network, sub)


def test_operations_without_macs_are_named() -> None:
    sub = whole(around(lambda net, x: net.norm(x).cumsum(1), norm=nn.BatchNorm2d(4)))
    assert sub.channels.uncounted == ("cumsum",)


@pytest.mark.parametrize("method", ["view", "reshape"])
def test_flattening_to_a_size_written_as_a_number_prunes_well(method: str) -> None:
    """``x.view(-1, 16 * 5 * 5)`` is common; the number does not shrink with the channels."""
    network = Net(
        lambda net, x: net.scores(getattr(net.b(F.relu(net.a(x))), method)(-1, 144)),
        a=nn.Conv2d(2, 4, 3, padding=1),
        b=nn.Conv2d(4, 4, 3, padding=1),
        scores=nn.Linear(144, 3),
    )
    assert_prunes_well(network, whole(network))


@pytest.mark.parametrize("tensor", ["data", "mT"])
def test_an_attribute_that_is_a_tensor_is_not_lost(tensor: str) -> None:
    network = around(lambda net, x: net.c(getattr(x, tensor)), c=nn.Conv2d(4, 4, 3))
    assert_prunes_well(network, whole(network))


def test_concatenation_with_keyword_arguments_is_understood_or_pinned() -> None:
    network = around(lambda net, x: torch.cat(tensors=[x, x], dim=1), width=nn.Linear(8, 3))
    assert_prunes_well(network, whole(network))


def test_padding_that_copies_channels_is_pinned() -> None:
    network = around(lambda net, x: F.pad(x, (0, 0, 0, 0, 1, 1), mode="replicate"), width=nn.Linear(6, 3))
    assert "b" in whole(network).channels.pinned


def test_pooling_that_mixes_channels_is_pinned() -> None:
    """A 2-d pooling takes [N, C, W] for one image of N channels."""
    network = Net(
        lambda net, x: net.c(net.pool(net.b(F.relu(net.a(x))).mean(2))).mean(2),
        a=nn.Conv2d(2, 4, 3, padding=1),
        b=nn.Conv2d(4, 4, 3, padding=1),
        pool=nn.MaxPool2d(2),
        c=nn.Conv1d(2, 3, 3),
    )
    assert "b" in whole(network).channels.pinned


@pytest.mark.parametrize("refused_first", [False, True])
def test_a_layer_with_one_use_that_is_not_understood_is_pinned(refused_first: bool) -> None:
    def run(net: Any, x: Any) -> Any:
        x = F.relu(net.a(x))
        tokens = net.other(net.shared(x.cumsum(1).flatten(2).transpose(1, 2))).mean(1) if refused_first else 0
        pooled = net.scores(net.shared(x.mean((2, 3))))
        return pooled + (tokens if refused_first else net.other(net.shared(x.mean((2, 3))).cumsum(1)))

    network = Net(
        run,
        a=nn.Conv2d(2, 4, 1),
        shared=nn.Linear(4, 5),
        other=nn.Linear(5, 3),
        scores=nn.Linear(5, 3),
    )
    network = behind(network)
    sub = whole(network)
    assert ("inner.a" if refused_first else "inner.shared") not in [group.name for group in sub.channels.groups]
    assert_prunes_well(network, sub)


def test_two_layers_that_share_a_weight_prune_well() -> None:
    network = Net(
        lambda net, x: net.scores(net.norm2(net.c2(F.relu(net.norm1(net.c1(net.a(x)))))).mean((2, 3))),
        a=nn.Conv2d(2, 4, 1),
        c1=nn.Conv2d(4, 4, 3, padding=1),
        norm1=nn.BatchNorm2d(4),
        c2=nn.Conv2d(4, 4, 3, padding=1),
        norm2=nn.BatchNorm2d(4),
        scores=nn.Linear(4, 3),
    )
    network.get_submodule("c2").weight = network.get_submodule("c1").weight
    network = behind(network)
    assert_prunes_well(network, whole(network))


def test_a_weight_read_outside_its_layer_is_cut_with_it() -> None:
    """As where a decoder reuses the transposed weight of its encoder."""
    network = Net(
        lambda net, x: F.linear(net.shared(F.relu(net.a(x)).mean((2, 3))), net.shared.weight.t()),
        a=nn.Conv2d(2, 4, 1),
        shared=nn.Linear(4, 5),
    )
    network = behind(network)
    sub = whole(network)
    assert [group.name for group in sub.channels.groups] == ["d", "e", "inner.shared"]
    assert_prunes_well(network, sub)


@pytest.mark.parametrize("reparametrise", [nn.utils.parametrizations.weight_norm, nn.utils.spectral_norm])
def test_a_layer_whose_weight_is_computed_is_pinned(reparametrise: Callable[[nn.Module], nn.Module]) -> None:
    network = around(lambda net, x: F.relu(net.c(x)), c=reparametrise(nn.Conv2d(4, 4, 3)))
    sub = subnetworks_of(randomise(network, 0), [], IMAGES)[0]
    assert [group.name for group in sub.channels.groups] == ["a"]
    genome = np.array([True, False, True, False])
    assert sub.forward(IMAGES, genome).shape == (3, 3)


@pytest.mark.parametrize(
    "use",
    [
        lambda x, c: x.cumsum(1).reshape(x.size(0), c, 6, 6),
        lambda x, c: x.reshape(x.size(0), c, 6, 6),
        lambda x, c: x.cumsum(1)[:, :c],
        lambda x, c: x[:, :c],
        lambda x, c: x.cumsum(1).split(c, 1)[0],
        lambda x, c: x[:, :1].expand(x.size(0), c, 6, 6) + x,
        lambda x, c: F.conv2d(x, torch.ones(4, 1, 3, 3).double(), padding=1, groups=c),
        lambda x, c: x[:, c - 1 :],
        lambda x, c: x * c,
        lambda x, c: x * c**-0.5,
        lambda x, c: x * torch.ones(c).double()[:, None, None],
        lambda x, c: F.pad(x, (0, 0, 0, 0, 0, c))[:, :4],
        lambda x, c: F.layer_norm(x.cumsum(1).permute(0, 2, 3, 1), (c,)).permute(0, 3, 1, 2),
    ],
)
@pytest.mark.parametrize("pinned_later", [False, True])
def test_the_width_of_another_tensor_is_no_number_to_rely_on(
    use: Callable[[Any, Any], Any], pinned_later: bool
) -> None:
    """As many channels as another layer makes, but other channels."""

    def run(net: Any, x: Any) -> Any:
        made = net.a(x)
        pooled = use(net.b(x), made.shape[1]).sum((1, 2, 3))
        return net.scores((made.flip(1) if pinned_later else made).mean((2, 3))) + pooled[:, None]

    layers = {"a": nn.Conv2d(2, 4, 1), "b": nn.Conv2d(2, 4, 3, padding=1), "scores": nn.Linear(4, 3)}
    network = behind(Net(run, **layers))
    assert_prunes_well(network, whole(network))
