"""Run directories that a released version wrote stay loadable.

Each folder of ``tests/released`` is named after a version and holds what it wrote: a run directory, and the class
scores that its model gave.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import emopms
from emopms.engine.storage.store import Store

RELEASED = sorted(path for path in (Path(__file__).parent / "released").iterdir() if (path / "scores.json").exists())
SPEC: dict[str, Any] = {
    "version": 1,
    "name": "released",
    "backbone": {"name": "small_resnet", "widths": [4, 4, 8]},
    "data": {"name": "digits", "calibration": 64, "validation": 64},
    "pretrain": {"epochs": 5, "lr": 0.1, "batch_size": 32},
    "split": ["stage1", "stage2"],
    "selector": {"name": "linear_probe", "epochs": 1},
    "constraint": {"name": "feature", "epochs": 1},
    "objectives": ["capability", "macs"],
    "algorithm": {"name": "nsga2", "pop_size": 8, "generations": 4},
    "schemes": 12,
    "targets": [{"macs": 0.6}],
    "finetune": {"epochs": 1},
    "export": ["safetensors"],
}
"""What was run: the same for every version, for as long as it can be."""


def images() -> torch.Tensor:
    """What the scores were given for."""
    return torch.linspace(-1, 1, 4 * 64).view(4, 1, 8, 8)


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_models_compute_what_they_did(folder: Path) -> None:
    expected = torch.tensor(json.loads((folder / "scores.json").read_text()))
    with torch.no_grad():
        scores = emopms.load(folder / "run" / "models" / "macs-0.6")(images())
    torch.testing.assert_close(scores, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_what_stages_stored_is_whole_and_readable(folder: Path) -> None:
    store = folder / "run" / "store"
    stages = json.loads((store / "plan.json").read_text())["stages"]
    found = {stage: Store(store).status(stage, key) for stage, key in stages.items()}
    assert {stored.state for stored in found.values()} == {"complete"}
    artefacts = {stage: stored.artefact for stage, stored in found.items() if stored.artefact is not None}
    assert artefacts["pretrain"].tensors("network")
    assert artefacts["rank"].arrays("front-1")["genomes"].any()
    assert artefacts.get("measure", artefacts["join"]).json("summary")["measured"] > 0


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_specs_are_read(folder: Path) -> None:
    assert emopms.load_spec(folder / "run" / "spec.resolved.yaml").name == "released"
