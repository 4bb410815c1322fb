from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from emopms.engine.drawing import fronts
from emopms.engine.drawing.fronts import RunFigures, draw_fronts

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = RunFigures(
    name="made-up",
    front=[(0.2, 0.5), (0.4, 0.8), (0.5, 0.7), (0.9, 0.85)],
    knee=(0.4, 0.8),
    models=[(0.4, 0.88)],
    dense=0.9,
)
WORSE = replace(RUN, name="worse", front=[(0.3, 0.4), (0.6, 0.6)], knee=(0.6, 0.6), models=[(0.6, 0.7)], dense=0.8)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that a test draws."""
    found: list[Figure] = []
    save = Figure.savefig

    def watched(figure: Figure, *arguments: Any, **more: Any) -> None:
        found.append(figure)
        save(figure, *arguments, **more)

    monkeypatch.setattr(Figure, "savefig", watched)
    return found


def draw(runs: Sequence[RunFigures] = (RUN,), **other: Any) -> bytes:
    asked: dict[str, Any] = {"cost": "MACs", "quality": "accuracy", "width": 3.3, "form": "svg"}
    return draw_fronts(runs, **asked | other)


def lines(figure: Figure) -> dict[str, list[list[float]]]:
    """The points of the lines of a figure, by how they look: marker, filling and stroke."""
    found: dict[str, list[list[float]]] = {}
    for line in figure.axes[0].get_lines():
        filling = "white" if line.get_markerfacecolor() in ("white", "none") else "filled"
        points = np.round(np.array(line.get_xydata()), 6).tolist()
        found.setdefault(f"{line.get_marker()} {filling} {line.get_linestyle()}", []).extend(points)
    return found


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_one_run(figures: list[Figure]) -> None:
    draw()
    assert lines(figures[0]) == {
        "None filled -": [[20, 50], [40, 80], [90, 85]],  # what is best in the plane
        "o white None": [[20, 50], [40, 80], [50, 70], [90, 85], [40, 80]],  # the front, and the knee's ring
        "o filled None": [[40, 88]],
        "None filled --": [[0, 90], [1, 90]],
    }
    assert legend(figures[0]) == [
        "front: validation images, before fine-tuning",
        "knee of the front",
        "models: test images, after fine-tuning",
        "dense network: test images",
    ]
    (axes,) = figures[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("MACs, % of the dense network", "accuracy, %")


def test_less_loss_is_better(figures: list[Figure]) -> None:
    draw([replace(RUN, front=[(0.2, 1.5), (0.4, 0.2), (0.5, 0.7)], knee=(0.4, 0.2))], quality="loss")
    assert lines(figures[0])["None filled -"] == [[20, 1.5], [40, 0.2]]
    assert figures[0].axes[0].get_ylabel() == "loss"


def test_several_runs_differ_without_colours(figures: list[Figure]) -> None:
    draw([RUN, WORSE])
    assert legend(figures[0])[:3] == ["made-up", "worse", "front: validation images, before fine-tuning"]
    found = lines(figures[0])
    assert (found["o filled None"], found["s filled None"]) == ([[40, 88]], [[60, 70]])
    assert (found["o filled --"], found["s filled --"]) == ([[0, 90], [1, 90]], [[0, 80], [1, 80]]), "the dense ones"
    draw([RUN, replace(WORSE, dense=RUN.dense)])
    assert lines(figures[1])["None filled --"] == [[0, 90], [1, 90]], "one line, if they are equally good"
    marks = [fronts._Mark.of(index) for index in range(21)]
    assert len({(mark.marker, mark.line) for mark in marks}) == 21


@pytest.mark.parametrize("width", [2.5, 3.3, 7.0])
def test_texts_are_readable_and_within_the_figure(figures: list[Figure], width: float) -> None:
    draw([RUN, WORSE], width=width)
    (figure,) = figures
    assert figure.get_size_inches()[0] == width
    figure.draw_without_rendering()  # the file has another resolution
    (axes,) = figure.axes
    for text in (*figure.legends[0].get_texts(), axes.xaxis.label, axes.yaxis.label):
        assert float(text.get_fontsize()) >= 7
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("name", ["_hidden", "$x^2$", "<&]]>--", "new\nline\x07", "\udce9", "long" * 50, ""])
def test_names_are_shown_as_they_are(figures: list[Figure], name: str) -> None:
    with warnings.catch_warnings(action="error"):
        content = draw([replace(RUN, name=name), WORSE])
    assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
    shown = legend(figures[0])[0]
    assert shown == name or {"\N{REPLACEMENT CHARACTER}", "…"} & set(shown)
    assert len(shown) <= 43


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_equal_runs_give_equal_bytes(form: str) -> None:
    assert draw(form=form) == draw(form=form)
