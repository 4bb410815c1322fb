"""Constraint training: the recomposed network stays good, and the teacher stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch
from loguru import logger

from emopms.api import ChainStep, ConstraintTraining
from emopms.engine.results.networks import DenseNetwork
from emopms.engine.search.criteria import make_criteria
from emopms.engine.session.scoring import score
from emopms.engine.stages.constrain import chain_loss
from emopms.errors import ComponentError, RunError
from tests.engine.contexts import run_stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


def test_without_a_constraint_the_network_stays_as_it_is(artefacts: dict[str, Artefact], tmp_path: Path) -> None:
    found = run_stage("constrain", tiny_context(constraint="none"), artefacts, tmp_path)
    files, pretrained = found.meta["files"], artefacts["pretrain"].meta["files"]
    assert files["network.safetensors"] == pretrained["network.safetensors"]
    assert DenseNetwork.load(found).score.accuracy == DenseNetwork.load(artefacts["pretrain"]).score.accuracy


def test_the_score_is_that_of_the_recomposed_network(context: Context, artefacts: dict[str, Artefact]) -> None:
    found = DenseNetwork.load(artefacts["constrain"])
    assert not torch.equal(
        found.state["stem.0.weight"], DenseNetwork.load(artefacts["pretrain"]).state["stem.0.weight"]
    )
    measured = score(context.network(found.state), context.image_sets.validation, context.device)
    assert measured.accuracy == found.score.accuracy


class Ruins(ConstraintTraining):
    """A constraint that makes the network worse and worse."""

    name: Literal["ruins"] = "ruins"
    lr: float = 1.0

    def loss(self, step: ChainStep) -> Tensor:
        features = step.references[0]
        for sub in step.subnetworks:
            features = sub.forward(features)
        return -torch.nn.functional.cross_entropy(features, step.labels)


@pytest.mark.slow
def test_a_network_that_was_ruined_is_refused(artefacts: dict[str, Artefact], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^The dense network after constraint training is no better than") as caught:
        run_stage("constrain", tiny_context(constraint=Ruins()), artefacts, tmp_path)
    assert "constraint: none" in caught.value.remedy


@pytest.mark.parametrize(
    ("lost", "level", "compared"),
    [
        (0.01, "INFO", "1.00 points below the pretrained network"),
        (0.03, "WARNING", "3.00 points below the pretrained network"),
        (-0.01, "INFO", "1.00 points above the pretrained network"),
        (0.0, "INFO", "the same as the pretrained network"),
    ],
)
def test_a_loss_of_accuracy_is_reported_and_warned_of(
    lost: float,
    level: str,
    compared: str,
    artefacts: dict[str, Artefact],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = DenseNetwork.load(artefacts["pretrain"]).score
    worse = type(before)(before.loss, before.accuracy - lost)
    monkeypatch.setattr("emopms.engine.stages.constrain.score", lambda *_: worse)
    said: list[str] = []
    sink = logger.add(said.append, level="INFO", format="{level} {message}")
    run_stage("constrain", tiny_context(constraint="none"), artefacts, tmp_path)
    logger.remove(sink)
    assert said[-1].startswith(f"{level} dense network without constraint training: validation accuracy")
    assert said[-1].endswith(f"%, {compared}\n")


class Looks(ConstraintTraining):
    """Records the steps that it is given."""

    name: Literal["looks"] = "looks"
    steps: list[Any] = []  # noqa: RUF012
    fails: bool = False

    def loss(self, step: ChainStep) -> Tensor:
        if self.fails:
            raise ValueError("no loss")
        self.steps.append((step, [step.draw(index) for index in range(len(step.subnetworks))]))
        return step.subnetworks[0].forward(step.references[0]).sum()


def _loss(context: Context, constraint: Looks) -> Any:
    network, teacher = context.random_network(), context.random_network().requires_grad_(False)
    teachers = context.divide(teacher).parts
    criteria = make_criteria(context, teachers, differentiable=True).requires_grad_(False)
    return chain_loss(constraint, context, network, teachers, criteria, torch.randn(8, 1, 8, 8))


def test_a_step_holds_dense_references_and_masks_from_the_generator(context: Context) -> None:
    constraint = Looks()
    constraint.steps.clear()
    loss = _loss(context, constraint)
    images, labels = torch.randn(4, 1, 8, 8), torch.arange(4)
    for seed in (1, 1, 2):
        loss(images, labels, torch.Generator().manual_seed(seed)).backward()
    (step, masks), (_, again), (_, other) = constraint.steps
    assert [tuple(reference.shape) for reference in step.references] == [
        *((4, 1, 8, 8), (4, 8, 8, 8), (4, 8, 4, 4), (4, 10))
    ]
    assert not any(reference.requires_grad for reference in step.references)
    assert all(sub.module.training for sub in step.subnetworks)
    assert len(step.criteria) == 3
    for index, sub in enumerate(step.subnetworks):
        assert masks[index].shape == (sub.channels.genes,)
        np.testing.assert_array_equal(masks[index], again[index])
        assert all(masks[index][group.genes].any() for group in sub.channels.groups)
    assert any((mine != theirs).any() for mine, theirs in zip(masks, other, strict=True))
    parameters = [parameter for sub in step.subnetworks for parameter in sub.module.parameters()]
    assert any(parameter.grad is not None for parameter in parameters)


def test_a_constraint_that_fails_is_named(context: Context) -> None:
    loss = _loss(context, Looks(fails=True))
    with pytest.raises(ComponentError, match=r"constraint 'looks' .* failed to compute its loss: .*no loss"):
        loss(torch.randn(4, 1, 8, 8), torch.arange(4), torch.Generator())
