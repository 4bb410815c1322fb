"""The figure of finished runs for papers: their fronts, knees and models, and the dense network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from emopms.engine.drawing.style import (
    BLACK,
    BLUE,
    DENSE_LINE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    arrange,
    encode,
    style,
)
from emopms.pareto import nondominated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    Points = Sequence[tuple[float, float]]

_COLOURS: Final = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
_MARKERS: Final = "os^DvPX"
_LINES: Final = ("-", "-.", ":")
_LETTERS_PER_INCH: Final = 13
"""Number of letters of the legend that fit into an inch beside its markers."""


@dataclass(frozen=True)
class RunFigures:
    """What the figure shows of one run. Points are pairs of a cost, as a share of the dense network's, and a quality:
    an accuracy from 0 to 1, or a loss."""

    name: str
    """Name of the run in the legend."""
    front: Points
    """The points of the front, measured on validation images before fine-tuning; at least one."""
    knee: tuple[float, float]
    """The knee, one of the points of the front."""
    models: Points
    """The models, measured on test images after fine-tuning; at least one."""
    dense: float
    """Quality of the dense network on test images."""


@dataclass(frozen=True)
class _Mark:
    """How the figure shows one run. Runs differ in the marker or in the line, so that colours are not needed."""

    colour: str
    marker: str
    line: str = "-"

    @classmethod
    def of(cls, index: int) -> _Mark:
        count = len(_MARKERS)
        return cls(_COLOURS[index % count], _MARKERS[index % count], _LINES[index // count % len(_LINES)])

    @property
    def measured(self) -> dict[str, Any]:
        return self.ends | {"markerfacecolor": "white"}

    @property
    def ends(self) -> dict[str, Any]:
        return {"color": self.colour, "marker": self.marker, "markersize": 3.5}

    @property
    def tuned(self) -> dict[str, Any]:
        colours = {"color": self.colour, "markeredgecolor": "black"}
        return {**colours, "linestyle": "none", "marker": self.marker, "markersize": 6.5, "markeredgewidth": 0.8}


_KNEE: Final[dict[str, Any]] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 9,
    "markerfacecolor": "none",
    "color": "black",
}


def draw_fronts(runs: Sequence[RunFigures], *, cost: str, quality: str, width: float, form: str) -> bytes:
    """Return the figure of one or several runs as the content of a file. Equal figures give equal bytes.

    White markers are points of the front, and the line joins those that no other one beats in the plane of the figure.
    Filled markers are models. The legend says on which images each of them is measured. Texts have 7 to 8 points when
    the figure is printed in its own size.

    Args:
        runs: The runs; at least one.
        cost: Name of the cost, for the axis.
        quality: Name of the quality, for the axis: ``loss``, or the name of a share of correct answers.
        width: Width of the figure in inches.
        form: Format of the file, one of `emopms.engine.drawing.style.FORMATS`.

    Raises:
        ImportError: Matplotlib is not installed (see `emopms.engine.drawing.style.can_draw`).
    """
    from matplotlib.figure import Figure

    percent = quality != "loss"
    with style(font_size=8.0):
        entries = _entries([_printable(run.name, int(_LETTERS_PER_INCH * width)) for run in runs])
        figure = Figure(figsize=(width, 0.68 * width + 0.15 * len(entries)), layout="constrained")
        axes = figure.subplots()
        for index, run in enumerate(runs):
            _draw_run(axes, run, _Mark.of(index), percent=percent)
        _draw_dense(axes, [100 * run.dense if percent else run.dense for run in runs])
        axes.set(xlabel=f"{cost}, % of the dense network", ylabel=f"{quality}, %" if percent else quality)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.25)
        lines = [line for _, line in entries]
        legend = figure.legend(lines, ["."] * len(lines), loc="outside lower left", fontsize=7, frameon=False)
        for shown, (text, _) in zip(legend.get_texts(), entries, strict=True):
            shown.set_text(text)  # as a label, a text that begins with "_" would be left out
        arrange(figure)
        return encode(figure, form)


def _draw_run(axes: Axes, run: RunFigures, mark: _Mark, *, percent: bool) -> None:
    scale = np.array([100.0, 100.0 if percent else 1.0])
    front, models = np.array(run.front) * scale, np.array(run.models) * scale
    best = front[nondominated(front * [1, -1 if percent else 1])]
    axes.plot(*best[best[:, 0].argsort()].T, color=mark.colour, linestyle=mark.line, linewidth=1.1, zorder=2)
    axes.plot(*front.T, **mark.measured, linestyle="none", zorder=3)
    axes.plot(*(np.array([run.knee]) * scale).T, **_KNEE, zorder=4)
    axes.plot(*models.T, **mark.tuned, zorder=5)


def _draw_dense(axes: Axes, values: Sequence[float]) -> None:
    """Draw one line if the dense networks of all runs are equally good, and else one for each run, with its marker."""
    if len(set(values)) == 1:
        axes.axhline(values[0], **DENSE_LINE, zorder=1)
        return
    for index, value in enumerate(values):
        mark = _Mark.of(index)
        axes.axhline(value, **DENSE_LINE | mark.ends, clip_on=False, zorder=1)


def _entries(names: Sequence[str]) -> list[tuple[str, Line2D]]:
    """Return the texts of the legend with their lines: each run if there are several, and what the markers mean."""
    from matplotlib.lines import Line2D

    marks = [_Mark.of(index) for index in range(len(names))]
    entries, any_run = list[tuple[str, dict[str, Any]]](), marks[0]
    if len(names) > 1:
        entries = [(name, mark.measured | {"linestyle": mark.line}) for name, mark in zip(names, marks, strict=True)]
        any_run = _Mark("0.5", "o", "none")
    entries += [
        ("front: validation images, before fine-tuning", any_run.measured | {"linestyle": any_run.line}),
        ("knee of the front", _KNEE),
        ("models: test images, after fine-tuning", any_run.tuned),
        ("dense network: test images", DENSE_LINE),
    ]
    return [(text, Line2D([], [], **look)) for text, look in entries]


def _printable(name: str, most: int) -> str:
    """Return a name on one line, without its middle if it is long."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return shown if len(shown) <= most else f"{shown[: most // 2]}…{shown[-(most // 2 - 1) :]}"
