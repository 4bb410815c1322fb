"""``emopms plot``: draws the fronts and the models of finished runs, for papers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from emopms.engine.drawing.fronts import RunFigures, draw_fronts
from emopms.engine.drawing.style import FORMATS, can_draw
from emopms.engine.finished.new_file import write_new
from emopms.engine.finished.several import open_together
from emopms.errors import CommandError, RunError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from emopms.engine.finished.result import Result
    from emopms.engine.results.joint_front import Point

QUALITIES: Final = ("accuracy", "loss")
"""What the vertical axis can show."""
COLUMN: Final = 3.3
"""Width of a column of a paper, in inches."""
_TITLES: Final = {"macs": "MACs", "params": "parameters"}
NARROWEST: Final = 2.5
"""Smallest width in inches: the legend must fit."""
WIDEST: Final = 40.0
"""Largest width in inches."""


def plot(
    runs: Sequence[str | PathLike[str]],
    file: str | PathLike[str],
    *,
    x: str = "macs",
    y: str = "accuracy",
    width: float = COLUMN,
) -> Path:
    """Draw finished runs to a new file: their fronts, knees and models, and the dense network as a line.

    Points of the front are measured on validation images before fine-tuning, models and the dense network on test
    images; the legend says so. The same runs give the same bytes.

    Args:
        runs: The run directories; at least one. Several are drawn over each other.
        file: The file. Its name ends with ``.pdf``, ``.png`` or ``.svg``.
        x: The cost on the horizontal axis, as a share of the dense network's: ``macs``, ``params``, or another cost
            among the objectives of all runs.
        y: ``accuracy``, or ``loss``. For data without labels, ``accuracy`` is the agreement with the dense network.
        width: Width of the figure in inches, from 2.5 to 40. Texts have 7 to 8 points at any width.

    Returns:
        The path of the file.

    Raises:
        CommandError: The file has another ending, a run has no such cost, ``y`` or ``width`` has no such value, or the
            runs measure accuracy and agreement, which cannot be compared.
        RunError: Matplotlib is not installed, or a run does not hold the loss of its models.
        StoreError: A folder holds no finished run, the file exists already, or it cannot be written.
    """
    form = Path(file).suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise CommandError(
            f"{file}: the ending of its name is no format of a figure.",
            remedy=did_you_mean(f".{form}", [f".{each}" for each in FORMATS]),
        )
    if y not in QUALITIES:
        raise CommandError(f"A figure has no quality {y!r}.", remedy=did_you_mean(y, QUALITIES))
    if not NARROWEST <= width <= WIDEST:
        raise CommandError(f"A figure is {NARROWEST:g} to {WIDEST:g} inches wide, not {width:g}.")
    if not can_draw():
        raise RunError("Matplotlib, which draws figures, is not installed.", remedy="pip install 'emopms[plot]'")
    results = open_together(runs)
    figures = [_figures(result, name, x=x, y=y) for name, result in results.items()]
    quality = "loss" if y == "loss" else next(iter(results.values())).summary["quality"]
    return write_new(file, draw_fronts(figures, cost=_TITLES.get(x, x), quality=quality, width=width, form=form))


def _figures(result: Result, name: str, *, x: str, y: str) -> RunFigures:
    """Return what the figure shows of a run.

    Raises:
        CommandError: The run has no cost ``x``.
        RunError: The run does not hold the loss of its models.
    """
    front, summary = result.front, result.summary
    if x not in front.dense.costs:
        raise CommandError(f"The run in {result.folder} has no cost {x!r}.", remedy=did_you_mean(x, front.dense.costs))
    if any(y not in model for model in summary["models"]):
        raise RunError(
            f"The run in {result.folder} does not hold the {y} of its models, because an earlier version wrote it.",
            remedy="The same `emopms run` adds it, and repeats no search.",
        )

    def place(point: Point) -> tuple[float, float]:
        return point.shares[x], point.measured_loss if y == "loss" else point.accuracy

    return RunFigures(
        name=name,
        front=[place(point) for point in front if point.on_front],
        knee=place(front.knee),
        models=[(model["costs"][x] / model["dense_costs"][x], model[y]) for model in summary["models"]],
        dense=summary["dense"][y],
    )
