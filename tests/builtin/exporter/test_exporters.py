from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from emopms.api import PrunedModel
from emopms.api.exporter import description_checksum
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.exporter.pt2 import Pt2
from emopms.builtin.exporter.safetensors import Safetensors
from emopms.errors import RunError
from emopms.network.channels.surgery import fit_to, pruned_state
from emopms.network.partition.subnetwork import subnetworks_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

ARCHITECTURE = {"backbone": {"name": "small_resnet", "widths": [4, 6]}, "classes": ["null", "één"]}


def dense() -> nn.Module:
    torch.manual_seed(0)
    return SmallResNet(widths=(4, 6)).build(input_shape=(1, 8, 8), classes=3).eval()


@pytest.fixture
def model() -> PrunedModel:
    network, example = dense(), torch.randn(2, 1, 8, 8)
    (sub,) = subnetworks_of(network, [], example)
    genome = np.arange(sub.channels.genes) % 3 > 0
    fit_to(network, pruned_state(network, [(sub.channels, genome)]))
    return PrunedModel(network.to(memory_format=torch.channels_last).eval(), example, ARCHITECTURE)  # type: ignore[call-overload]


@pytest.mark.slow
def test_pt2_is_loaded_without_emopms_for_any_batch_size(model: PrunedModel, tmp_path: Path) -> None:
    Pt2().export(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    for size in (1, 2, 5):
        images = torch.randn(size, 1, 8, 8)
        torch.testing.assert_close(loaded(images), model.network(images), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-6, 1.0])
def test_pt2_refuses_a_file_with_other_outputs(
    scale: float, model: PrunedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = copy.deepcopy(model.network)
    with torch.no_grad():
        for name in ("head.2.weight", "head.2.bias"):
            network.get_parameter(name).mul_(scale)
    load = torch.export.load

    def damaged(path: Any) -> Any:
        program = load(path)
        with torch.no_grad():
            program.state_dict["head.2.bias"].add_(scale)
        return program

    monkeypatch.setattr(torch.export, "load", damaged)
    with pytest.raises(RunError, match=r"other outputs than the pruned network \(by up to 1(e-06)?; the"):
        Pt2().export(replace(model, network=network), tmp_path)


def test_safetensors_are_the_network_and_what_builds_it_again(model: PrunedModel, tmp_path: Path) -> None:
    Safetensors().export(model, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["architecture.json", "model.safetensors"]
    digest = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    written = json.loads((tmp_path / "architecture.json").read_text(encoding="utf-8"))
    expected = {**ARCHITECTURE, "sha256": {"model.safetensors": digest}}
    assert written == {**expected, "checksum": description_checksum(expected)}
    again = dense()
    fit_to(again, load_file(tmp_path / "model.safetensors"))
    images = torch.randn(5, 1, 8, 8)
    torch.testing.assert_close(again(images), model.network(images), rtol=1e-5, atol=1e-6)


def test_safetensors_are_the_same_bytes_each_time(model: PrunedModel, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        Safetensors().export(model, folder)
    for name in ("model.safetensors", "architecture.json"):
        first, second = ((folder / name).read_bytes() for folder in folders)
        assert first == second
