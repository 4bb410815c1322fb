"""Training the criteria: on frozen dense features, and only where there is something to train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from emopms.engine.results.networks import CriteriaState
from emopms.engine.search.criteria import make_criteria
from emopms.engine.stages.selectors import criteria_loss
from tests.engine.contexts import run_stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


def test_trained_criteria_know_more_than_new_ones(context: Context, artefacts: dict[str, Artefact]) -> None:
    divided = context.divide(context.network(artefacts["pretrain"].tensors("network")))
    state = CriteriaState.load(artefacts["selectors"]).state
    images, labels = next(context.image_sets.validation.batches(128))
    losses = {}
    for name, criteria in (
        ("trained", make_criteria(context, divided.parts, state=state)),
        ("new", make_criteria(context, divided.parts)),
    ):
        features, losses[name] = images, list[float]()
        with torch.no_grad():
            for sub, criterion in zip(divided.parts, criteria, strict=True):
                features = sub.forward(features)
                losses[name].append(float(criterion(features, features, labels)))
    assert losses["trained"][0] < losses["new"][0]
    assert losses["trained"][1] < losses["new"][1]
    assert losses["trained"][2] == losses["new"][2], "the classifier is that of the network"


@pytest.mark.parametrize(
    "changes",
    [{"selector": "feature_mse"}, {"selector": "tail"}, {"split": [], "constraint": "none"}],
    ids=["no parameters", "the rest of the network", "no split points"],
)
def test_without_anything_to_train_no_image_is_used(
    changes: dict[str, Any], artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    context = tiny_context(**changes)
    found = CriteriaState.load(run_stage("selectors", context, artefacts, tmp_path)).state
    assert found == {}
    assert "image_sets" not in vars(context)


def test_the_loss_adds_up_all_criteria_but_the_last_and_trains_nothing_else(context: Context) -> None:
    parts = context.divide(context.random_network()).parts
    criteria = make_criteria(context, parts, differentiable=True)
    images, labels = torch.randn(6, 1, 8, 8), torch.arange(6)
    total = criteria_loss(parts, criteria)(images, labels, torch.Generator())
    assert criteria.training
    features, expected = images, torch.zeros(())
    for sub, criterion in zip(parts[:-1], criteria, strict=False):
        features = sub.forward(features)
        expected = expected + criterion(features, features, labels)
    torch.testing.assert_close(total, expected)
    total.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in criteria.parameters())
    assert all(parameter.grad is None for sub in parts for parameter in sub.module.parameters())
