"""``emopms.load``: reads what a run wrote, refuses everything else by name."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import torch

import emopms
from emopms.errors import PluginError, WeightsError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(finished: emopms.Result, tmp_path: Path) -> Path:
    shutil.copytree(finished.folder / "models" / "macs-0.6", tmp_path / "model")
    return tmp_path / "model"


def test_it_is_ready_to_use(folder: Path) -> None:
    network = emopms.load(folder)
    assert not network.training
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "architecture.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not hold a model"):
        emopms.load(tmp_path)


@pytest.mark.parametrize(
    "changes", [{"format": 2}, {"input": {}}, {"backbone": {"name": "small_resnet", "widths": "wide"}}, {"classes": 3}]
)
def test_a_description_that_makes_no_sense(folder: Path, changes: dict[str, object]) -> None:
    _edit(folder, **changes)
    with pytest.raises(WeightsError):
        emopms.load(folder)


def test_a_backbone_that_is_not_installed(folder: Path) -> None:
    _edit(folder, backbone={"name": "hypernet"})
    with pytest.raises(PluginError, match="needs the backbone 'hypernet'"):
        emopms.load(folder)


def test_weights_of_another_network(folder: Path) -> None:
    _edit(folder, backbone={"name": "small_resnet", "widths": [2, 2, 2]})
    with pytest.raises(WeightsError, match="does not fit"):
        emopms.load(folder)


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="does not hold a model"):
        emopms.load(folder)


def test_a_pickle_is_not_opened(folder: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(WeightsError):
        emopms.load(folder)
