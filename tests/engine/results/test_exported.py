"""Exports: their file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.engine.results.exported import ExportedModel, Exports, ModelFigures

if TYPE_CHECKING:
    from collections.abc import Callable

    from emopms.engine.storage.artefact import Artefact, Workspace


def test_exports_come_back_from_their_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    dense = ModelFigures(
        loss=0.1,
        accuracy=0.95,
        balanced_accuracy=0.9,
        recall=[1.0, 0.8, None],
        macs=1000,
        params=100,
        not_counted=["softmax"],
    )
    models = [
        ExportedModel(
            target=target,
            scheme=scheme,
            loss=0.2,
            accuracy=0.9,
            balanced_accuracy=0.9,
            recall=[0.9, 0.9],
            accuracy_before_finetune=0.5,
            epoch=scheme,
            meets_target=scheme == 0,
            macs=500,
            params=50,
            not_counted=[],
        )
        for scheme, target in enumerate(["macs-0.5", "params-0.5"])
    ]
    Exports(dense, models).save(out)
    artefact = stored()
    assert artefact.files == ["scores.json"]
    assert Exports.load(artefact) == Exports(dense, models)


def test_kinds_that_are_not_counted_may_be_a_tuple(out: Workspace, stored: Callable[[], Artefact]) -> None:
    Exports(
        ModelFigures(
            loss=0.1,
            accuracy=0.95,
            balanced_accuracy=0.9,
            recall=[1.0, 0.8, None],
            macs=1,
            params=1,
            not_counted=("a", "b"),
        ),
        [],
    ).save(out)
    assert Exports.load(stored()).dense.not_counted == ["a", "b"]
