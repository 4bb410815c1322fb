"""The figures of models: their file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.engine.results.exported import ExportedModel, ModelFigures

if TYPE_CHECKING:
    from collections.abc import Callable

    from emopms.engine.storage.artefact import Artefact, Workspace

FIGURES = {
    "loss": 0.1,
    "accuracy": 0.95,
    "balanced_accuracy": 0.9,
    "recall": [1.0, 0.8, None],
    "macs": 1000,
    "params": 100,
    "not_counted": ["softmax"],
}


def test_figures_come_back_from_their_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    figures = ModelFigures(**FIGURES)  # type: ignore[arg-type]
    figures.save(out)
    artefact = stored()
    assert artefact.files == ["figures.json"]
    assert ModelFigures.load(artefact) == figures


def test_those_of_a_model_too(out: Workspace, stored: Callable[[], Artefact]) -> None:
    model = ExportedModel(
        **FIGURES,  # type: ignore[arg-type]
        target="macs-0.5",
        accuracy_before_finetune=0.5,
        epoch=1,
        meets_target=False,
        costs={"macs": 1000.0, "latency": 2.5},
        dense_costs={"macs": 2000.0, "latency": 4.0},
    )
    model.save(out)
    assert ExportedModel.load(stored()) == model
