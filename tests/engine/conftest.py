"""A spec of the whole method that runs in seconds, and one finished run of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

import emopms
from emopms.api import Folder, Images, Source
from emopms.builtin.data.digits import Digits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

TINY: dict[str, Any] = {
    "version": 1,
    "name": "tiny",
    "seed": 3,
    "backbone": {"name": "small_resnet", "widths": [8, 8, 16]},
    "data": {"name": "digits", "calibration": 128, "validation": 128, "augment": ["flip", "crop"]},
    "pretrain": {"epochs": 4, "lr": 0.1, "batch_size": 32},
    "split": ["stage1", "stage2"],
    "selector": {"name": "linear_probe", "epochs": 1},
    "constraint": {"name": "feature", "epochs": 1},
    "objectives": ["capability", "macs"],
    "algorithm": {"name": "nsga2", "pop_size": 8, "generations": 4},
    "schemes": 12,
    "targets": [{"macs": 0.6}],
    "finetune": {"epochs": 1},
}


def tiny(**changes: Any) -> emopms.Spec:
    """The tiny spec with some keys changed."""
    return emopms.Spec.model_validate(TINY | changes)


class Unlabelled(Digits):
    """Digits whose labels were lost."""

    name: Literal["digits"] = "digits"

    def open(self, folder: Folder) -> Source:
        source = super().open(folder)
        source.labelled = False
        source.train = _without_labels(source.train)  # type: ignore[method-assign]
        source.test = _without_labels(source.test)  # type: ignore[method-assign]
        return source


def _without_labels(images: Callable[[], Images]) -> Callable[[], Images]:
    return lambda: Images(images().pixels, np.full(len(images()), -1))


@pytest.fixture(scope="session")
def unlabelled(finished: emopms.Result) -> dict[str, Any]:
    """The tiny spec with the weights of the finished run, and no labels."""
    (trained,) = (finished.folder / "store" / "pretrain").glob("*/network.safetensors")
    return TINY | {
        "backbone": {**TINY["backbone"], "weights": str(trained)},
        "data": Unlabelled(calibration=128, validation=128, augment=("flip", "crop")),
        "pretrain": {"epochs": 0},
        "objectives": ["agreement", "macs"],
        "export": ["safetensors"],
    }


def stages(result: emopms.Result) -> dict[str, bool]:
    """Which stages were taken from the store."""
    return {stage["name"]: stage["cached"] for stage in result.summary["stages"]}


def without_times(summary: dict[str, Any]) -> dict[str, Any]:
    search = {key: value for key, value in summary["search"].items() if key != "seconds"}
    kept = {key: value for key, value in summary.items() if key != "stages"}
    return kept | {"search": search}


def weights(folder: Path, model: str = "macs-0.6") -> dict[str, torch.Tensor]:
    return emopms.load(folder / "models" / model).state_dict()
