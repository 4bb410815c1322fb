"""The context of a run: what its spec and its data make of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from emopms.engine.results.networks import DenseNetwork
from emopms.engine.results.score import Score
from emopms.engine.storage.store import Store
from emopms.network.channels.surgery import pruned_state
from tests.engine.contexts import tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.session.context import Context


@pytest.fixture(scope="module")
def context() -> Context:
    return tiny_context()


def test_sizes_are_those_of_the_data(context: Context) -> None:
    assert context.classes == 10
    assert context.train_size == len(context.image_sets.train) == 1438 - 2 * 128 - 128
    assert context.example.shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("objectives", "int8"),
    [(["capability", "macs"], True), ([{"name": "capability", "precision": "float"}, "macs"], False)],
)
def test_one_objective_in_floating_point_is_enough_to_refuse_int8(objectives: list[Any], int8: bool) -> None:
    assert tiny_context(objectives=objectives).int8 == int8


def test_without_labels_accuracy_is_called_agreement(context: Context) -> None:
    assert context.quality == "accuracy"
    unlabelled = replace(context, source=tiny_context().source)
    unlabelled.source.labelled = False
    assert unlabelled.quality == "agreement"


def test_networks_are_built_anew_with_the_same_weights(context: Context) -> None:
    first, second = context.random_network(), context.random_network()
    assert first is not second
    assert not first.training
    for name, tensor in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor), name


def test_a_network_comes_back_from_a_pruned_state(context: Context) -> None:
    dense = context.random_network()
    divided = context.divide(dense)
    genome = context.encoding(divided.whole).least
    state = pruned_state(dense, [(divided.channels, genome)])
    network = context.network(state)
    assert network.state_dict().keys() == state.keys()
    images = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(network(images), divided.whole.forward(images, genome))


def test_sub_networks_share_the_parameters_of_the_network(context: Context) -> None:
    network = context.random_network()
    divided = context.divide(network)
    shared = {id(parameter) for sub in divided.parts for parameter in sub.module.parameters()}
    assert shared == {id(parameter) for parameter in network.parameters()}


def test_the_constrained_network_is_built_once_for_each_artefact(context: Context, tmp_path: Path) -> None:
    store, artefacts = Store(tmp_path), []
    for key in ("first", "second"):
        out = store.begin("constrain", key)
        state = context.random_network().state_dict()
        DenseNetwork({name: tensor.clone() for name, tensor in state.items()}, Score(1.0, 0.5)).save(out)
        artefacts.append(out.complete({}))
    first = context.constrained(artefacts[0])
    assert context.constrained(artefacts[0]) is first
    assert context.constrained(artefacts[1]) is not first
    for name, tensor in context.random_network().state_dict().items():
        assert torch.equal(first.network.state_dict()[name], tensor), name


def test_boundary_features_are_one_cache_of_the_run(context: Context) -> None:
    assert context.boundary_features is context.boundary_features
    assert tiny_context().boundary_features is not context.boundary_features
