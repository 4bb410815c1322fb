"""The figure of finished runs."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from emopms.engine.finished import plot as module
from emopms.engine.finished.plot import plot
from emopms.errors import CommandError, RunError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import emopms
    from emopms.engine.drawing.fronts import RunFigures


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[RunFigures]]:
    """What the figures of a test show. They are not drawn."""
    found: list[Sequence[RunFigures]] = []

    def draw_fronts(runs: Sequence[RunFigures], **_: Any) -> bytes:
        found.append(runs)
        return b"drawn"

    monkeypatch.setattr(module, "draw_fronts", draw_fronts)
    return found


def change(run: Path, **values: Any) -> None:
    """Change the content of result.json, and remove the list by which this would be noticed."""
    summary = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps(summary | values))
    (run / "store" / "published.json").unlink()


def test_files_are_what_their_endings_say(finished: emopms.Result, tmp_path: Path) -> None:
    for name, begin in {"a.svg": b"<?xml", "a.PNG": b"\x89PNG", "a.pdf": b"%PDF"}.items():
        assert plot([finished.folder], tmp_path / name).read_bytes().startswith(begin)


def test_figures_are_those_of_the_run(
    finished: emopms.Result, tmp_path: Path, drawn: list[Sequence[RunFigures]]
) -> None:
    plot([finished.folder], tmp_path / "a.svg")
    plot([finished.folder], tmp_path / "b.svg", x="params", y="loss")
    (accuracy,), (loss,) = drawn
    points = [point for point in finished.front if point.on_front]
    (model,) = finished.summary["models"]
    dense, knee = finished.summary["dense"], finished.front.knee
    assert accuracy.name == finished.folder.name
    assert accuracy.front == [(point.shares["macs"], point.accuracy) for point in points]
    assert accuracy.knee == (knee.shares["macs"], knee.accuracy)
    assert accuracy.models == [(model["macs"] / dense["macs"], model["accuracy"])]
    assert accuracy.dense == dense["accuracy"]
    assert loss.front == [(point.shares["params"], point.measured_loss) for point in points]
    assert loss.models == [(model["params"] / dense["params"], model["loss"])]
    assert loss.dense == dense["loss"]


def test_runs_of_equal_names_are_shown_by_their_paths(
    finished: emopms.Result, run: Path, tmp_path: Path, drawn: list[Sequence[RunFigures]]
) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    plot([run, other], tmp_path / "a.svg")
    plot([finished.folder, run], tmp_path / "b.svg")
    assert [[shown.name for shown in runs] for runs in drawn] == [["tiny", "other"], [str(finished.folder), str(run)]]


def test_no_file_is_overwritten(finished: emopms.Result, tmp_path: Path, drawn: list[Sequence[RunFigures]]) -> None:
    (tmp_path / "mine.svg").write_text("mine")
    with pytest.raises(StoreError, match=r"mine\.svg exists already"):
        plot([finished.folder], tmp_path / "mine.svg")
    assert (tmp_path / "mine.svg").read_text() == "mine"
    with pytest.raises(StoreError, match="cannot be written"):
        plot([finished.folder], tmp_path / "missing" / "front.svg")
    with pytest.raises(StoreError, match="holds no finished run"):
        plot([tmp_path], tmp_path / "new.svg")
    assert not (tmp_path / "new.svg").exists()


@pytest.mark.parametrize(
    ("file", "asked", "message", "remedy"),
    [
        ("front.jpg", {}, "no format of a figure", "Did you mean '.png'? Available: .pdf, .png, .svg."),
        ("front", {}, "no format of a figure", "Available: .pdf, .png, .svg."),
        ("a.svg", {"x": "parms"}, "has no cost 'parms'", "Did you mean 'params'? Available: macs, params."),
        ("a.svg", {"y": "acuracy"}, "no quality 'acuracy'", "Did you mean 'accuracy'? Available: accuracy, loss."),
        ("a.svg", {"width": 1.0}, "2.5 to 40 inches wide, not 1", ""),
        ("a.svg", {"width": float("nan")}, "2.5 to 40 inches wide, not nan", ""),
    ],
)
def test_what_cannot_be_drawn(
    finished: emopms.Result, tmp_path: Path, file: str, asked: dict[str, Any], message: str, remedy: str
) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        plot([finished.folder], tmp_path / file, **asked)
    assert caught.value.remedy == remedy
    assert not (tmp_path / file).exists()


def test_accuracy_and_agreement_have_no_common_axis(finished: emopms.Result, run: Path, tmp_path: Path) -> None:
    change(run, quality="agreement")
    with pytest.raises(CommandError, match="measure accuracy and agreement"):
        plot([finished.folder, run], tmp_path / "a.svg")


def test_runs_of_earlier_versions_hold_no_loss(finished: emopms.Result, run: Path, tmp_path: Path) -> None:
    (model,) = finished.summary["models"]
    change(run, models=[{name: value for name, value in model.items() if name != "loss"}])
    with pytest.raises(RunError, match="does not hold the loss of its models"):
        plot([run], tmp_path / "a.svg", y="loss")
    assert plot([run], tmp_path / "a.svg").exists()


def test_without_matplotlib(finished: emopms.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RunError, match="Matplotlib, which draws figures, is not installed") as caught:
        plot([finished.folder], tmp_path / "a.svg")
    assert caught.value.remedy == "pip install 'emopms[plot]'"
