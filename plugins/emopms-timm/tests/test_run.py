"""Runs the whole method on a timm classifier with weights from a local file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import emopms
from emopms.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

ARGS: dict[str, Any] = {"channels": [16, 16, 16, 32], "stem_width": 8}
SPEC: dict[str, Any] = {
    "version": 1,
    "name": "timm",
    "backbone": {"name": "timm", "model": "test_resnet", "args": ARGS, "weights": "dense.safetensors"},
    "data": {"name": "arrays", "file": "corners.npz", "calibration": 64, "validation": 64},
    "pretrain": {"epochs": 0},
    "split": ["layer2"],
    "selector": {"name": "linear_probe", "epochs": 1},
    "constraint": {"name": "feature", "epochs": 1},
    "algorithm": {"name": "nsga2", "pop_size": 8, "generations": 3},
    "schemes": 8,
    "targets": [{"macs": 0.8}],
    "finetune": {"epochs": 1, "lr": 0.01},
}


def corners(count: int, rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return noisy images [N, 3, 32, 32] with one bright corner, and the index of this corner [N].

    The noise keeps the accuracy below 100 %.
    """
    labels = rng.integers(4, size=count)
    pixels = rng.normal(0.4, 0.3, size=(count, 3, 32, 32))
    for corner, image in zip(labels, pixels, strict=True):
        top, left = 16 * (corner // 2), 16 * (corner % 2)
        image[:, top : top + 16, left : left + 16] += 0.1
    return pixels.clip(0, 1).astype(np.float32), labels


pytestmark = pytest.mark.slow  # a whole run


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Return a folder with images and weights trained without emopms, and their accuracy on the test images."""
    import timm

    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    (x, y), (x_test, y_test) = corners(512, rng), corners(256, rng)
    np.savez(folder / "corners.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=4, in_chans=3, **ARGS)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    images, labels = (torch.from_numpy(x) - 0.5) / 0.5, torch.from_numpy(y)
    for step in range(24):
        rows = slice(step % 8 * 64, step % 8 * 64 + 64)
        optimizer.zero_grad()
        F.cross_entropy(network(images[rows]), labels[rows]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        predicted = network.eval()((torch.from_numpy(x_test) - 0.5) / 0.5).argmax(1)
    save_file(network.state_dict(), folder / "dense.safetensors")
    return folder, float((predicted == torch.from_numpy(y_test)).double().mean())


@pytest.fixture(scope="module")
def finished(dense: tuple[Path, float]) -> emopms.Result:
    folder, _ = dense
    return emopms.run(emopms.Spec.model_validate(SPEC), run_dir=folder / "run", data_root=folder, device="cpu")


def test_the_run_starts_from_the_weights_as_they_are(finished: emopms.Result, dense: tuple[Path, float]) -> None:
    assert 0.3 < dense[1] < 1
    assert finished.summary["dense"]["accuracy"] == pytest.approx(dense[1], abs=1e-9)


def test_the_pruned_model_is_smaller_and_loads_with_the_same_outputs(finished: emopms.Result) -> None:
    (model,) = finished.summary["models"]
    folder = finished.folder / model["path"]
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loaded = emopms.load(folder)
        exported = torch.export.load(folder / "model.pt2").module()
        torch.testing.assert_close(loaded(images), exported(images))
    assert sum(parameter.numel() for parameter in loaded.parameters()) == model["params"]
    assert 0 < model["params_cut"] < 1


def test_weights_of_another_model_are_refused(dense: tuple[Path, float], tmp_path: Path) -> None:
    other = SPEC | {"backbone": SPEC["backbone"] | {"model": "resnet10t"}}
    with pytest.raises(WeightsError, match=r"dense\.safetensors does not fit the network ResNet"):
        emopms.run(emopms.Spec.model_validate(other), run_dir=tmp_path / "run", data_root=dense[0], device="cpu")
