"""The picture of a comparison: the accuracy of all pruning methods over their MACs, and by target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emopms.engine.comparison.marks import marks
from emopms.engine.drawing.style import DENSE_LINE, arrange, encode, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from emopms.engine.comparison.marks import Mark

PICTURE: Final = "comparison.svg"
"""Name of the file in the folder of a comparison."""


def draw(summary: Mapping[str, Any]) -> bytes:
    """Return the picture of a comparison as SVG. The same comparison gives the same bytes.

    On the left, accuracies are shown over MACs. On the right, there is a panel for each target, because methods that
    prune to the same bound are close together in MACs. Its rows are the methods, best first, and its markers are the
    legend of the left side. Whiskers are the standard deviation over seeds.

    Args:
        summary: The content of ``comparison.json``, with at least one method.

    Raises:
        ImportError: Matplotlib is not installed (see `emopms.engine.drawing.style.can_draw`).
    """
    from matplotlib.figure import Figure

    entries = summary["methods"]
    mark_of, targets = marks(entries), list(dict.fromkeys(entry["target"] for entry in entries))
    with style():
        figure = Figure(figsize=(5 + 2.9 * len(targets), max(4.2, 1.3 + 0.21 * len(mark_of))), layout="constrained")
        over_macs, *of_targets = figure.subplots(1, 1 + len(targets), width_ratios=[1.7, *[1.0] * len(targets)])
        _draw_over_macs(over_macs, entries, mark_of)
        for axes, target in zip(of_targets, targets, strict=True):
            _draw_target(axes, target, [entry for entry in entries if entry["target"] == target], mark_of)
        figure.suptitle(_title(summary), fontsize=10)
        arrange(figure)
        return encode(figure, "svg")


def _title(summary: Mapping[str, Any]) -> str:
    seeds = max(len(entry["seeds"]) for entry in summary["methods"])
    spread = "mean and standard deviation over seeds" if seeds > 1 else "one seed"
    return f"{summary['name']}: accuracy after fine-tuning, {spread}"


def _draw_over_macs(axes: Axes, entries: Sequence[Mapping[str, Any]], mark_of: Mapping[str, Mark]) -> None:
    for name, mark in mark_of.items():
        own = sorted((entry for entry in entries if entry["method"] == name), key=lambda one: one["macs_share"]["mean"])
        macs = [100 * entry["macs_share"]["mean"] for entry in own]
        accuracies, deviations = _percentages(own)
        axes.errorbar(macs, accuracies, yerr=deviations, **mark.style)
    dense = _dense(entries)
    axes.axhline(dense, **DENSE_LINE)
    axes.annotate("dense network", (0.01, dense), (0, 3), ("axes fraction", "data"), "offset points", color="0.25")
    shares = [100 * entry["macs_share"]["mean"] for entry in entries]
    axes.set_xlim(max(0, min(shares) - 5), max(shares) + 5)  # methods within a bound do not look far apart
    axes.set(xlabel="MACs kept, % of the dense network", ylabel="accuracy on test images, %")
    axes.grid(alpha=0.25)


def _draw_target(axes: Axes, target: str, entries: Sequence[Mapping[str, Any]], mark_of: Mapping[str, Mark]) -> None:
    accuracies, deviations = _percentages(entries)
    for row, entry in enumerate(entries):
        mark = mark_of[entry["method"]]
        axes.errorbar(accuracies[row], row, xerr=deviations[row], linestyle="none", **mark.style)
    axes.axvline(_dense(entries), **DENSE_LINE)
    axes.set_yticks(range(len(entries)), [entry["method"] for entry in entries])
    for label, entry in zip(axes.get_yticklabels(), entries, strict=True):
        label.set_fontweight("bold" if mark_of[entry["method"]].searched else "normal")
    axes.set_ylim(len(entries) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set(title=target, xlabel="accuracy, %")
    axes.grid(alpha=0.25)


def _percentages(entries: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    """Return means and standard deviations of accuracies in percent. With one seed, the deviation is NaN, which draws
    no whisker."""
    spreads = [entry["accuracy"] for entry in entries]
    deviations = [float("nan") if each["sd"] is None else 100 * each["sd"] for each in spreads]
    return [100 * each["mean"] for each in spreads], deviations


def _dense(entries: Sequence[Mapping[str, Any]]) -> float:
    mean: float = 100 * entries[0]["dense_accuracy"]["mean"]
    return mean
