"""Schemes: their files, and their dense network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.results.schemes import JoinSummary, MeasuredSchemes, MeasureSummary, Schemes

if TYPE_CHECKING:
    from collections.abc import Callable

    from emopms.engine.storage.artefact import Artefact, Workspace

GENOMES = np.array([[True, False], [False, True], [True, True]])
COSTS = np.array([[1.0, 5.0], [2.0, 3.0], [4.0, 9.0]])


def _assert_equal(found: object, expected: object) -> None:
    assert type(found) is type(expected)
    for field, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, field), values)
        assert getattr(found, field).dtype == values.dtype, field


def test_schemes_come_back_from_their_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    schemes = Schemes(GENOMES, np.array([0.3, 0.1, 0.0]), COSTS)
    schemes.save(out)
    artefact = stored()
    assert artefact.files == ["schemes.npz"]
    _assert_equal(Schemes.load(artefact), schemes)
    assert Schemes.load(artefact).dense == 2


def test_measured_schemes_come_back_from_their_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    schemes = MeasuredSchemes(
        genomes=GENOMES,
        predicted_loss=np.array([0.8, 0.6, 0.5]),
        loss=np.array([0.9, 0.7, 0.5]),
        accuracy=np.array([0.6, 0.7, 0.8]),
        macs=np.array([10, 20, 40]),
        params=np.array([5, 6, 7]),
        costs=COSTS,
        on_front=np.array([True, True, False]),
    )
    schemes.save(out)
    artefact = stored()
    assert artefact.files == ["schemes.npz"]
    _assert_equal(MeasuredSchemes.load(artefact), schemes)
    assert MeasuredSchemes.load(artefact).dense == 2


def test_a_join_summary_comes_back_from_its_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    JoinSummary(joint_schemes=123).save(out)
    artefact = stored()
    assert artefact.files == ["summary.json"]
    assert JoinSummary.load(artefact) == JoinSummary(joint_schemes=123)


def test_a_measure_summary_comes_back_with_a_tuple(out: Workspace, stored: Callable[[], Artefact]) -> None:
    summary = MeasureSummary(kendall_tau=-0.5, measured=3, hypervolume=1.25, hypervolume_reference=[2.3, 1.0])
    summary.save(out)
    found = MeasureSummary.load(stored())
    assert found == summary, "JSON knows lists only"
