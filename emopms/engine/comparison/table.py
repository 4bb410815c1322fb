"""The tables of a comparison of pruning methods: all rows as CSV, and means and standard deviations over seeds as JSON
and Markdown."""

from __future__ import annotations

import csv
import io
import statistics
from typing import TYPE_CHECKING, Any, Final

from emopms.engine.support.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.engine.comparison.row import Row

_FIGURES: Final = (
    *("macs_share", "params_share", "macs", "params", "latency_ms", "dense_latency_ms", "speedup", "latency_batch"),
    *("accuracy_before", "accuracy", "validation_before", "validation"),
    *("search_seconds", "searches_seconds", "tuning_seconds", "evaluations", "training_epochs", "dense_accuracy"),
)


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Return mean and sample standard deviation over seeds of each figure of the pruned networks, by target and pruning
    method.

    Methods are in the order of their accuracy after fine-tuning, best first. If there is only one seed, the deviation
    is None.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.target, row.method), []).append(row)
    entries: list[dict[str, Any]] = [
        {
            "method": method,
            "baseline": same[0].baseline,
            "target": target,
            "seeds": [row.seed for row in same],
            **{name: _spread([getattr(row, name) for row in same]) for name in _FIGURES},
        }
        for (target, method), same in groups.items()
    ]
    targets = list(dict.fromkeys(row.target for row in rows))
    entries.sort(key=lambda entry: (targets.index(entry["target"]), -entry["accuracy"]["mean"]))
    return {"methods": entries, "rows": [row.as_json() for row in rows]}


def csv_table(rows: Sequence[Row]) -> str:
    """Return all rows of a comparison as CSV, one line for each pruning method, target and seed."""
    text = io.StringIO(newline="")
    names = [name for name in rows[0].as_json() if name != "baseline"] if rows else []
    writer = csv.writer(text)
    writer.writerow(names)
    for row in rows:
        writer.writerow([getattr(row, name) for name in names])
    return text.getvalue()


def markdown(summary: Mapping[str, Any]) -> str:
    """Return the means and standard deviations over seeds as Markdown, one table for each target."""
    entries = summary["methods"]
    lines = [f"# Comparison: {summary['name']}"]
    for target in dict.fromkeys(entry["target"] for entry in entries):
        own = [entry for entry in entries if entry["target"] == target]
        lines += [
            "",
            f"## {target}",
            "",
            f"The dense network has {_percent(own[0]['dense_accuracy'])} % on test images. Accuracies are in %, on "
            "test images; ± is the standard deviation over seeds. Latency is the median time of a forward pass for "
            f"{counted(round(own[0]['latency_batch']['mean']), 'image')}, and speed-up the latency of the dense "
            "network, timed in turns with the pruned one, divided by it. The search's seconds contain all that leads "
            "from the pretrained network to a choice; training counts fine-tuning and constraint training.",
            "",
            "| method | seeds | MACs kept | parameters kept | latency, ms | speed-up | before fine-tuning | "
            "after fine-tuning | search, s | evaluations | training, epochs |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for entry in own:
            cells = (
                entry["method"] if entry["baseline"] is not None else f"**{entry['method']}**",
                str(len(entry["seeds"])),
                f"{entry['macs_share']['mean']:.3f}",
                f"{entry['params_share']['mean']:.3f}",
                f"{entry['latency_ms']['mean']:.2f}",
                _with_deviation(entry["speedup"]),
                _percent(entry["accuracy_before"]),
                _percent(entry["accuracy"]),
                f"{entry['search_seconds']['mean']:.1f}",
                f"{entry['evaluations']['mean']:,.0f}",
                f"{entry['training_epochs']['mean']:g}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    return {"mean": statistics.fmean(values), "sd": statistics.stdev(values) if len(values) > 1 else None}


def _percent(spread: Mapping[str, float | None]) -> str:
    return _with_deviation(spread, factor=100)


def _with_deviation(spread: Mapping[str, float | None], *, factor: float = 1) -> str:
    mean, deviation = spread["mean"], spread["sd"]
    assert mean is not None
    return f"{factor * mean:.2f}" + (f" ± {factor * deviation:.2f}" if deviation is not None else "")
