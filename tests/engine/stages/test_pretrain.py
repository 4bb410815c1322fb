"""Pre-training: the network is trained, scored, and refused if it has learnt nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from loguru import logger
from safetensors.torch import save_file
from torch import nn

from emopms.engine.results.networks import DenseNetwork
from emopms.engine.session.scoring import score
from emopms.engine.training.losses import supervised_loss
from emopms.errors import RunError
from emopms.spec import Training
from tests.engine.contexts import run_stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


def test_the_score_is_that_of_the_stored_network(context: Context, artefacts: dict[str, Artefact]) -> None:
    found = DenseNetwork.load(artefacts["pretrain"])
    measured = score(context.network(found.state), context.image_sets.validation, context.device)
    assert measured.accuracy == found.score.accuracy > 0.5
    assert measured.loss == pytest.approx(found.score.loss, rel=1e-5)


def test_a_network_that_has_learnt_nothing_is_refused(tmp_path: Path) -> None:
    context = tiny_context(pretrain={"epochs": 0})
    with pytest.raises(RunError, match=r"^The dense network is no better than guessing") as caught:
        run_stage("pretrain", context, {}, tmp_path)
    assert "backbone.weights" in caught.value.remedy
    assert not list(tmp_path.rglob("meta.json"))


def test_given_weights_are_kept_without_epochs(artefacts: dict[str, Artefact], tmp_path: Path) -> None:
    weights = artefacts["pretrain"].folder / "network.safetensors"
    backbone = {"name": "small_resnet", "widths": [8, 8, 16], "weights": str(weights)}
    again = run_stage("pretrain", tiny_context(backbone=backbone, pretrain={"epochs": 0}), {}, tmp_path)
    for file, digest in artefacts["pretrain"].meta["files"].items():
        assert again.meta["files"][file] == digest, file
    found = DenseNetwork.load(again)
    assert found.given == found.score


def test_the_loss_is_cross_entropy_in_training_mode() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3)).eval()
    images, labels = torch.randn(5, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1])
    loss = supervised_loss(Training(), network)(images, labels, torch.Generator())
    assert network.training
    torch.testing.assert_close(loss, F.cross_entropy(network(images), labels))


@pytest.mark.slow
def test_given_weights_with_classes_in_another_order_are_refused(
    context: Context, artefacts: dict[str, Artefact], tmp_path: Path
) -> None:
    state = dict(DenseNetwork.load(artefacts["pretrain"]).state)
    for name in ("head.2.weight", "head.2.bias"):
        state[name] = state[name].roll(3, dims=0)
    save_file(state, tmp_path / "rolled.safetensors")
    backbone = {"name": "small_resnet", "widths": [8, 8, 16], "weights": str(tmp_path / "rolled.safetensors")}
    with pytest.raises(RunError, match="If the classes had another order, it would be") as caught:
        run_stage("pretrain", tiny_context(backbone=backbone, pretrain={"epochs": 0}), {}, tmp_path / "refused")
    order = caught.value.remedy.rpartition("this order fits best: ")[2].rstrip(".").split(", ")
    right = sum(found == expected for found, expected in zip(order, "7890123456", strict=True))
    assert right >= 7, "as good as 128 images and this network tell"
    trained = tiny_context(backbone=backbone, pretrain={"epochs": 4, "lr": 0.1, "batch_size": 32})
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    run_stage("pretrain", trained, {}, tmp_path / "trained")
    logger.remove(sink)
    assert any("If the classes had another order" in line for line in said)
