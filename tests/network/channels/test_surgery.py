from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from safetensors.torch import load, save
from torch import Tensor, nn

from emopms.errors import WeightsError
from emopms.network.channels.surgery import fit_to, kept_indices, pruned_state, require_same_tensors
from emopms.network.channels.table import joined
from emopms.network.costs.cost_model import CostModel, count
from emopms.network.inference.evaluator import Evaluator

from ..chains import Case, cases
from ..networks import IMAGES, Net, assert_prunes_well, chained, examples, pruned_copy, randomise, whole

if TYPE_CHECKING:
    from collections.abc import Callable


@given(cases())
@examples
def test_surgery_slicing_and_zeroing_compute_the_same(case: Case) -> None:
    subnetworks = case.divided()
    genomes = case.genomes(subnetworks)
    with case.zeroed(subnetworks, genomes):
        expected = case.network(case.images)
    pruned = pruned_copy(case.network, subnetworks, genomes)
    torch.testing.assert_close(chained(subnetworks, genomes, case.images), expected)
    torch.testing.assert_close(pruned(case.images), expected)
    assert type(pruned) is type(case.network)


@given(cases())
@examples
def test_plain_indexing_by_the_kept_indices_gives_the_pruned_state(case: Case) -> None:
    subnetworks = case.divided()
    genomes = case.genomes(subnetworks)
    tables = [sub.channels for sub in subnetworks]
    kept = kept_indices(case.network, joined(tables), np.concatenate(genomes))
    state = case.network.state_dict()
    for name, dims in kept.items():
        for dim, indices in dims.items():
            assert 0 < len(indices) < state[name].shape[dim], "only what loses something is listed"
            state[name] = state[name].index_select(dim, torch.tensor(indices))
    torch.testing.assert_close(state, pruned_state(case.network, list(zip(tables, genomes, strict=True))))


class _Twice(nn.Module):
    """Scales channels by a parameter and a buffer that both have two names in it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.second = nn.Parameter(torch.rand(4, 1, 1))
        self.register_buffer("third", torch.rand(4, 1, 1))
        self.register_buffer("fourth", torch.zeros(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.first * self.second + self.third * self.fourth  # type: ignore[operator]


def test_tensors_with_several_names_stay_one_tensor() -> None:
    b, c, twice = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3), _Twice()
    network = Net(
        lambda net, x: net.scores(net.twice(net.c(net.b(net.a(x)).relu()).relu()).mean((2, 3))),
        unused=nn.ParameterList([b.weight]),
        a=nn.Conv2d(2, 4, 1),
        b=b,
        c=c,
        twice=twice,
        scores=nn.Linear(4, 3),
    ).double()
    c.weight, twice.fourth = b.weight, twice.third  # `double` copies buffers one by one
    sub = whole(network)
    assert {group.name: group.size for group in sub.channels.groups} == {"a": 4}
    assert_prunes_well(network, sub)
    genome = np.array([True, False, True, True])
    state = load(save(pruned_state(network, [(sub.channels, genome)])))
    assert state.keys() == network.state_dict().keys(), "each name is in the file"
    kept = kept_indices(network, sub.channels, genome)
    assert kept["unused.0"] == kept["b.weight"] == kept["c.weight"] == {0: [0, 2, 3], 1: [0, 2, 3]}
    assert kept["twice.fourth"] == kept["twice.third"] == {0: [0, 2, 3]}
    pruned = copy.deepcopy(network)
    fit_to(pruned, state)
    tensors = pruned.state_dict(keep_vars=True)
    assert tensors["b.weight"] is tensors["c.weight"]
    assert tensors["b.weight"] is tensors["unused.0"]
    assert tensors["twice.first"] is tensors["twice.second"]
    assert tensors["twice.third"] is tensors["twice.fourth"]
    assert tensors["b.weight"].shape[:2] == (3, 3)
    torch.testing.assert_close(pruned(IMAGES), sub.forward(IMAGES, genome))
    torch.testing.assert_close(Evaluator(sub, batch_statistics=False).run(IMAGES, genome), pruned(IMAGES))
    costs = CostModel(sub.channels, network)
    assert costs.params(genome[None]).tolist() == [count(pruned, IMAGES).params], "under whichever name it is known"


@given(cases())
@examples
def test_a_pruned_network_trains_and_comes_back_from_its_file(case: Case) -> None:
    subnetworks = case.divided()
    pruned = pruned_copy(case.network, subnetworks, case.genomes(subnetworks))
    before = {name: parameter.detach().clone() for name, parameter in pruned.named_parameters()}
    optimiser = torch.optim.SGD(pruned.train().parameters(), lr=0.1)
    pruned(case.images).square().mean().backward()
    optimiser.step()
    assert all(parameter.grad is not None for parameter in pruned.parameters())
    assert any(not torch.equal(parameter, before[name]) for name, parameter in pruned.named_parameters())
    state = load(save({name: tensor.contiguous() for name, tensor in pruned.state_dict().items()}))
    fresh = copy.deepcopy(case.network)
    for parameter in fresh.parameters():
        nn.init.constant_(parameter, 7.0)
    fit_to(fresh, state)
    torch.testing.assert_close(fresh.eval()(case.images), pruned.eval()(case.images), rtol=0, atol=0)
    assert repr(fresh) == repr(pruned)


@given(cases())
@examples
def test_static_sizes_follow_the_tensors(case: Case) -> None:
    subnetworks = case.divided()
    for module in pruned_copy(case.network, subnetworks, case.genomes(subnetworks)).modules():
        if isinstance(module, nn.Conv2d):
            outgoing, incoming = module.weight.shape[:2]
            assert (module.out_channels, module.in_channels) == (outgoing, incoming * module.groups)
        elif isinstance(module, nn.Linear):
            assert (module.out_features, module.in_features) == module.weight.shape
        elif isinstance(module, nn.BatchNorm2d):
            assert module.num_features == len(module.weight)


@pytest.mark.parametrize("affine", [False, True])
def test_static_sizes_of_every_kind_of_batch_norm(affine: bool) -> None:
    norm = nn.BatchNorm2d(4, affine=affine)
    network = Net(lambda net, x: net.b(net.norm(net.a(x))), a=nn.Conv2d(2, 4, 1), norm=norm, b=nn.Conv2d(4, 3, 1))
    sub = whole(network)
    pruned = pruned_copy(network, [sub], [np.array([True, False, True, False])])
    assert pruned(IMAGES).shape == (3, 3, 6, 6)
    assert pruned.get_submodule("norm").num_features == 2


def two_layers() -> Net:
    return Net(lambda net, x: net.b(net.a(x)), a=nn.Conv2d(2, 4, 1), b=nn.Conv2d(4, 3, 1))


def test_the_pruned_state_is_a_copy() -> None:
    network = two_layers()
    sub = whole(network)
    state = pruned_state(network, [(sub.channels, sub.dense)])
    before = network.get_parameter("a.weight").detach().clone()
    for tensor in state.values():
        assert not tensor.requires_grad
        tensor.zero_()
    torch.testing.assert_close(network.get_parameter("a.weight").detach(), before)


def test_frozen_parameters_stay_frozen() -> None:
    network = two_layers()
    network.get_parameter("a.weight").requires_grad_(False)
    sub = whole(network)
    pruned = pruned_copy(network, [sub], [np.array([True, False, False, False])])
    assert [name for name, parameter in pruned.named_parameters() if not parameter.requires_grad] == ["a.weight"]


def test_a_module_registered_under_two_names_survives_surgery() -> None:
    network = two_layers()
    network.add_module("alias", network.get_submodule("a"))
    sub = whole(network)
    genome = np.array([True, False, True, False])
    torch.testing.assert_close(pruned_copy(network, [sub], [genome])(IMAGES), sub.forward(IMAGES, genome))


def changed(state: dict[str, Tensor], **changes: Tensor | None) -> dict[str, Tensor]:
    """The state with tensors replaced, or removed where None; ``__`` stands for a dot."""
    changes = {name.replace("__", "."): tensor for name, tensor in changes.items()}
    return {name: tensor for name, tensor in {**state, **changes}.items() if tensor is not None}


def test_differences_of_every_kind_are_listed() -> None:
    network = two_layers()
    state = changed(
        network.state_dict(), a__bias=None, c__weight=torch.ones(1), a__weight=torch.ones(4, 2, 3, 3), b__bias=None
    )
    with pytest.raises(WeightsError) as caught:
        require_same_tensors(network, state, origin="weights.safetensors", shrunk=False)
    assert caught.value.message.splitlines() == [
        "weights.safetensors does not fit the network Net:",
        "  missing: a.bias",
        "  missing: b.bias",
        "  not in the network: c.weight",
        "  shape of a.weight: (4, 2, 3, 3), in the network (4, 2, 1, 1)",
    ]
    assert caught.value.remedy


def test_many_differences_are_counted() -> None:
    network = two_layers()
    state = changed(network.state_dict(), a__bias=None) | {f"other{i}": torch.ones(1) for i in range(20)}
    with pytest.raises(WeightsError) as caught:
        require_same_tensors(network, state, origin="x", shrunk=False)
    lines = caught.value.message.splitlines()
    assert "  missing: a.bias" in lines
    named = [line for line in lines if line.startswith("  not in the network")]
    assert f"  … and {20 - len(named)} more" in lines
    assert 0 < len(named) < 20


def test_the_networks_own_state_fits() -> None:
    network = two_layers()
    for shrunk in (False, True):
        require_same_tensors(network, network.state_dict(), origin="x", shrunk=shrunk)


@pytest.mark.parametrize(
    "shape",
    [(5, 2, 1, 1), (4, 3, 1, 1), (4, 2, 3, 3), (0, 2, 1, 1), (4, 2), (4, 2, 1, 1, 1)],
    ids=["more rows", "more columns", "wider kernel", "no rows", "fewer dimensions", "more dimensions"],
)
def test_a_state_that_is_not_smaller_is_refused_and_changes_nothing(shape: tuple[int, ...]) -> None:
    network = two_layers()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=r"shape of a\.weight"):
        fit_to(network, changed(network.state_dict(), a__weight=torch.ones(shape)))
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("changes", [{"a__bias": None}, {"extra": torch.ones(1)}])
def test_a_state_with_other_tensors_is_refused(changes: dict[str, Tensor | None]) -> None:
    network = two_layers()
    with pytest.raises(WeightsError, match="the pruned state does not fit"):
        fit_to(network, changed(network.state_dict(), **changes))


def test_smaller_tensors_need_leave() -> None:
    network = two_layers()
    state = changed(network.state_dict(), a__weight=torch.ones(3, 2, 1, 1))
    with pytest.raises(WeightsError):
        require_same_tensors(network, state, origin="x", shrunk=False)


def test_buffers_that_are_not_saved_stay() -> None:
    network = two_layers()
    network.register_buffer("grid", torch.arange(3.0), persistent=False)
    sub = whole(network)
    pruned = pruned_copy(network, [sub], [np.array([True, False, True, False])])
    assert pruned.get_buffer("grid").tolist() == [0, 1, 2]
    assert "grid" not in pruned.state_dict()


def test_the_type_of_the_network_is_kept() -> None:
    network = randomise(two_layers(), 0)
    sub = whole(network)
    state = pruned_state(network, [(sub.channels, np.array([True, False, True, False]))])
    half = two_layers().half()
    fit_to(half, state)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float16}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda tensor: tensor.to(torch.complex64), "complex numbers"),
        (lambda tensor: tensor.to(torch.int64), "whole numbers"),
        (lambda tensor: tensor.to_sparse(), "real numbers, torch.sparse_coo"),
        (lambda tensor: tensor.to("meta"), "real numbers, without data"),
    ],
)
def test_numbers_of_another_kind_are_refused(change: Callable[[Tensor], Tensor], kind: str) -> None:
    network = two_layers()
    state = network.state_dict()
    state["a.weight"] = change(state["a.weight"])
    with pytest.raises(WeightsError, match=f"kind of a.weight: {kind}, in the network real numbers"):
        require_same_tensors(network, state, origin="x", shrunk=False)
