"""Criteria of all sub-networks: made by the selector, seeded, and frozen once they are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
import torch

from emopms.api import Selector
from emopms.engine.search.criteria import make_criteria
from emopms.errors import ComponentError
from emopms.network.criteria import ClassifierLoss, FeatureDistance, LinearProbeLoss, TailLoss
from tests.engine.contexts import tiny_context

if TYPE_CHECKING:
    from emopms.api import Site
    from emopms.engine.session.context import Context
    from emopms.network.partition.subnetwork import SubNetwork


def _parts(context: Context) -> list[SubNetwork]:
    return context.divide(context.random_network()).parts


@pytest.fixture(scope="module")
def probes() -> Context:
    return tiny_context()


def test_each_sub_network_has_a_criterion_and_the_last_one_is_the_classifier(probes: Context) -> None:
    criteria = make_criteria(probes, _parts(probes))
    assert [type(criterion) for criterion in criteria] == [LinearProbeLoss, LinearProbeLoss, ClassifierLoss]
    distances = tiny_context(selector="feature_mse")
    assert isinstance(make_criteria(distances, _parts(distances))[0], FeatureDistance)


def test_new_criteria_have_the_weights_of_the_seed_and_can_be_trained(probes: Context) -> None:
    torch.manual_seed(1)
    first = make_criteria(probes, _parts(probes))
    torch.manual_seed(2)
    second = make_criteria(probes, _parts(probes))
    for name, tensor in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor), name
    assert all(parameter.requires_grad for parameter in first.parameters())
    assert not first.training


def test_making_criteria_leaves_the_global_generator_alone(probes: Context) -> None:
    parts = _parts(probes)
    before = torch.random.get_rng_state()
    make_criteria(probes, parts)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_trained_criteria_are_loaded_and_frozen(probes: Context) -> None:
    state = {name: tensor + 1 for name, tensor in make_criteria(probes, _parts(probes)).state_dict().items()}
    criteria = make_criteria(probes, _parts(probes), state=state)
    for name, tensor in criteria.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert not any(parameter.requires_grad for parameter in criteria.parameters())


@pytest.mark.parametrize("differentiable", [True, False])
def test_the_rest_of_the_network_passes_gradients_only_where_that_is_wanted(differentiable: bool) -> None:
    context = tiny_context(selector="tail")
    parts = _parts(context)
    criteria = make_criteria(context, parts, differentiable=differentiable)
    assert isinstance(criteria[0], TailLoss)
    assert criteria.state_dict() == {}, "the rest is not part of the state"
    features = torch.randn(4, *parts[0].output_shape, requires_grad=True)
    loss = criteria[0](features, features, torch.tensor([0, 1, 2, 3]))
    expected = features
    for sub in parts[1:]:
        expected = sub.forward(expected)
    plain = torch.nn.functional.cross_entropy(expected, torch.tensor([0, 1, 2, 3]))
    if differentiable:
        torch.testing.assert_close(loss, plain)
        loss.backward()
        assert features.grad is not None
        assert features.grad.abs().sum() > 0
    else:
        assert not torch.isclose(loss, plain), "batch norm is re-estimated on the batch"


class Broken(Selector):
    """A selector that fails."""

    name: Literal["broken"] = "broken"

    def criterion(self, site: Site) -> Any:
        raise ValueError(f"no criterion for {site.classes} classes")


def test_a_selector_that_fails_is_named() -> None:
    context = tiny_context(selector=Broken())
    with pytest.raises(ComponentError, match=r"selector 'broken' .* failed to make a criterion: .*for 10 classes"):
        make_criteria(context, _parts(context))
