"""Runs a small spec with the exporter `onnx` and the objective `latency`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from emopms_onnx.latency import Latency

import emopms

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from emopms.api import Task

TINY: dict[str, Any] = {
    "version": 1,
    "name": "tiny",
    "backbone": {"name": "small_resnet", "widths": [8, 16]},
    "data": {"name": "digits", "calibration": 128, "validation": 128},
    "pretrain": {"epochs": 2, "lr": 0.1, "batch_size": 32},
    "split": ["stage1"],
    "selector": {"name": "linear_probe", "epochs": 1},
    "constraint": {"name": "feature", "epochs": 1},
    "algorithm": {"name": "nsga2", "pop_size": 8, "generations": 3},
    "schemes": 12,
    "targets": [{"accuracy_drop": 0.9}],  # a target that every front meets, however noisy its latencies are
    "finetune": {"epochs": 1},
    "export": ["safetensors", "onnx"],
}
LATENCY = {"name": "latency", "repeats": 3}


def run(folder: Path, **changes: Any) -> emopms.Result:
    return emopms.run(emopms.Spec.model_validate(TINY | changes), run_dir=folder, device="cpu")


pytestmark = pytest.mark.slow  # a whole run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> emopms.Result:
    return run(tmp_path_factory.mktemp("run"), objectives=["capability", LATENCY])


def test_latency_may_be_the_only_cost(finished: emopms.Result) -> None:
    assert 0 <= finished.summary["search"]["hypervolume"] < np.log(10)
    (path,) = finished.folder.glob("store/rank/*/front-1.npz")
    with np.load(path) as front:
        assert front["costs"].shape == (len(front["genomes"]), 1)
        assert (front["costs"] > 0).all()


def test_the_exported_model_is_the_one_that_emopms_loads(finished: emopms.Result) -> None:
    folder = finished.folder / "models" / "accuracy_drop-0.9"
    images = torch.randn(3, 1, 8, 8)
    with torch.inference_mode():
        expected = emopms.load(folder)(images)
    (scores,) = onnxruntime.InferenceSession(folder / "model.onnx").run(None, {"input": images.numpy()})
    torch.testing.assert_close(torch.as_tensor(scores), expected, rtol=1e-4, atol=1e-4)


def test_a_finished_run_is_taken_from_the_store(finished: emopms.Result) -> None:
    before = {key: finished.summary[key] for key in ("dense", "models", "rank")}
    again = run(finished.folder, objectives=["capability", LATENCY])
    assert all(stage["cached"] for stage in again.summary["stages"])
    assert {key: again.summary[key] for key in before} == before


def test_an_interrupted_search_keeps_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = Latency.evaluate
    evaluated: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def interrupted(self: Latency, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        if task.subnetwork.index == 1 and len(evaluated) == 2:
            raise KeyboardInterrupt
        values = measure(self, genomes, task)
        if task.subnetwork.index == 1:
            evaluated.append((genomes, values))
        return values

    objectives = ["capability", "macs", LATENCY]
    monkeypatch.setattr(Latency, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, objectives=objectives)
    (known, values), *_ = evaluated[1:]
    seen: list[bytes] = []

    def recorded(self: Latency, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        seen.extend(genome.tobytes() for genome in genomes if task.subnetwork.index == 1)
        return measure(self, genomes, task)

    monkeypatch.setattr(Latency, "evaluate", recorded)
    result = run(tmp_path, objectives=objectives)
    assert seen
    assert not {genome.tobytes() for genome in known} & set(seen)
    (path,) = result.folder.glob("store/evolve-2/*/front.npz")
    with np.load(path) as front:
        kept = {
            genome.tobytes(): latency
            for genome, latency in zip(front["genomes"], front["objectives"][:, 2], strict=True)
        }
    before = {genome.tobytes(): value for genome, value in zip(known, values, strict=True)}
    assert all(kept[genome] == before[genome] for genome in kept.keys() & before.keys())
