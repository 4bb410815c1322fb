"""What a spec opens to the search is what comes out pruned, by the whole method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import emopms
from emopms.engine.forecast.forecast import forecast
from emopms.errors import SpecError

from .conftest import tiny, weights

if TYPE_CHECKING:
    from pathlib import Path


def _run(folder: Path, genome: dict[str, Any], **changes: Any) -> tuple[emopms.Result, dict[str, int]]:
    """The result, and the widths of its layers."""
    short = {"pretrain": {"epochs": 2, "lr": 0.1, "batch_size": 32}, "constraint": "none", "export": ["safetensors"]}
    result = emopms.run(tiny(genome=genome, **(short | changes)), run_dir=folder, device="cpu")
    state = weights(result.folder)
    return result, {name: len(tensor) for name, tensor in state.items() if name.endswith("weight") and tensor.dim() > 1}


@pytest.mark.slow
def test_widths_are_multiples(tmp_path: Path) -> None:
    _, widths = _run(tmp_path, {"coding": "widths", "channel_multiple": 4, "prune_residual": True})
    assert all(width % 4 == 0 for name, width in widths.items() if not name.startswith("head"))
    assert min(widths["stage3.0.conv1.weight"], widths["stage2.0.conv1.weight"], widths["stage1.0.conv1.weight"]) < 16


@pytest.mark.slow
def test_boundaries_are_searched_and_cut(tmp_path: Path) -> None:
    result, widths = _run(
        tmp_path, {"prune_boundaries": True}, targets=[{"macs": 0.6}], objectives=["capability", "macs", "params"]
    )
    fronts = result.folder / "store" / "rank"
    (boundaries,) = fronts.glob("*/front-boundaries.npz")
    genomes = np.load(boundaries)["genomes"]
    assert genomes.shape[1] == 8 + 8, "two streams cross the splits"
    assert not genomes.all()
    (model,) = result.summary["models"]
    assert model["macs"] <= 0.6 * result.summary["dense"]["macs"]
    network = emopms.load(result.folder / model["path"])
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert model["params"] == sum(parameter.numel() for parameter in network.parameters())
    assert widths["stem.0.weight"] == next(iter(network.parameters())).shape[0]


@pytest.mark.slow
def test_what_plan_shows_of_boundaries() -> None:
    expected = forecast(tiny(genome={"prune_boundaries": True}, constraint="none"), device="cpu")
    assert [search.name for search in expected.searches] == ["1", "2", "3", "boundaries"]
    assert expected.searches[-1].blocks == ("stage1", "stage2")
    assert expected.searches[-1].dense == expected.dense
    closed = forecast(tiny(constraint="none"), device="cpu")
    assert "stem.0" in closed.searches[0].pinned
    assert all("stem.0" not in search.pinned for search in expected.searches), "the first stream is open now"
    assert expected.floor["macs"] < closed.floor["macs"]
    assert sum(stage.name.startswith("evolve/") for stage in expected.stages) == 4


def test_boundaries_without_splits_are_an_error_of_the_spec(tmp_path: Path) -> None:
    spec = tiny(genome={"prune_boundaries": True}, split=[])
    with pytest.raises(SpecError, match=r"genome\.prune_boundaries"):
        emopms.run(spec, run_dir=tmp_path, device="cpu")
