"""What a spec opens to the search is what comes out pruned, by the whole method."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

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


@pytest.mark.slow
def test_limits_hold_from_the_first_mask_to_the_model(tmp_path: Path) -> None:
    genome = {
        "prune_residual": True,
        "prune_boundaries": True,
        "keep": ["stage3.0.conv1", "stem.*"],
        "min_channels": 3,
        "max_ratio": 0.5,
    }
    changes = {"constraint": {"name": "feature", "epochs": 1}, "targets": [{"macs": 0.6}]}
    result, widths = _run(tmp_path, genome, **changes)
    assert widths["stem.0.weight"] == widths["stage1.0.conv2.weight"] == 8, "kept, and so what is tied with it"
    assert widths["stage3.0.conv1.weight"] == 16
    kept = json.loads((result.folder / "models" / "macs-0.6" / "channels.json").read_text())
    assert "stem.0.weight" not in kept, "only what loses channels is listed"
    store = result.folder / "store"
    for file in (*store.glob("evolve-*/*/front.npz"), *store.glob("refine/*/front.npz")):
        genomes = np.load(file)["genomes"]
        assert not genomes.all(), file
    sizes = {name: width for name, width in widths.items() if not name.startswith("head")}
    assert all(width >= 4 for width in sizes.values()), "at least half of 8, and more than 3"
    assert min(sizes.values()) < 8


@pytest.mark.slow
def test_the_model_is_made_of_the_dense_network_and_the_kept_channels(tmp_path: Path) -> None:
    """By plain indexing. Only the statistics of batch norm are estimated anew."""
    result, _ = _run(tmp_path, {"prune_boundaries": True}, finetune={"epochs": 0}, surgery={"reconstruct": "none"})
    (stored,) = (result.folder / "store" / "pretrain").glob("*/network.safetensors")
    state = load_file(stored)
    kept = json.loads((result.folder / "models" / "macs-0.6" / "channels.json").read_text())
    assert {dim for dims in kept.values() for dim in dims} == {"0", "1"}, "outputs and inputs"
    for name, dims in kept.items():
        for dim, indices in dims.items():
            state[name] = state[name].index_select(int(dim), torch.tensor(indices))
    model = weights(result.folder)
    assert {name: tensor.shape for name, tensor in state.items()} == {
        name: tensor.shape for name, tensor in model.items()
    }
    for name, tensor in model.items():
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(tensor, state[name]), name


def test_boundaries_without_splits_are_an_error_of_the_spec(tmp_path: Path) -> None:
    spec = tiny(genome={"prune_boundaries": True}, split=[])
    with pytest.raises(SpecError, match=r"genome\.prune_boundaries"):
        emopms.run(spec, run_dir=tmp_path, device="cpu")
