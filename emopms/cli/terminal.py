"""Progress of a run: bars on a terminal, log lines elsewhere, and a table of results at the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from loguru import logger
from rich.console import Console, Group
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Bars:
    """Progress as one bar per long stage."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[_Bar]:
        columns = (
            TextColumn("  {task.description:<22}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield _Bar(progress, progress.add_task(label, total=total, note=""))

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        if seconds is not None:
            took = "cached" if cached else f"{seconds:.1f} s"
            self._console.print(f"  {name:<22} {took}", markup=False)


class _Bar:
    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress, self._task = progress, task

    def advance(self, note: str = "", *, steps: int = 1) -> None:
        self._progress.update(self._task, advance=steps, note=note)


class Lines:
    """Progress as log lines."""

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[_Counter]:
        yield _Counter(label, total, unit)

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        if cached:
            logger.info("{}: cached", name)
        elif seconds is not None:
            logger.info("{}: {:.1f} s", name, seconds)


class _Counter:
    """Logs about ten lines per stage, whatever the number of steps."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = 0

    def advance(self, note: str = "", *, steps: int = 1) -> None:
        every = max(1, self._total // 10)
        logged, self._done = self._done // every, self._done + steps
        if self._done // every > logged or self._done == self._total:
            text = f"{self._label}: {self._done}/{self._total} {self._unit}"
            logger.info("{}", f"{text}, {note}" if note else text)


def closing_table(summary: dict[str, Any], folder: Path) -> Group:
    """Return the table of the dense and the pruned networks, and the paths of the results."""
    dense, quality = summary["dense"], summary["quality"]
    title = f"{quality} with the dense network" if quality == "agreement" else quality
    table = Table(title=f"{summary['name']}: {title} on test images", title_justify="left")
    for column in ("model", "MACs", "parameters", "before fine-tuning", quality, "change"):
        table.add_column(column, justify="left" if column == "model" else "right")
    table.add_row("dense", f"{dense['macs']:,}", f"{dense['params']:,}", "", f"{dense['accuracy']:.2%}", "")
    for model in summary["models"]:
        table.add_row(
            model["target"],
            f"{model['macs']:,} ({1 - model['macs_cut']:.1%})",
            f"{model['params']:,} ({1 - model['params_cut']:.1%})",
            f"{model['accuracy_before_finetune']:.2%}",
            f"{model['accuracy']:.2%}",
            f"{100 * (model['accuracy'] - dense['accuracy']):+.2f} points",
        )
    search, rank = summary["search"], summary["rank"]
    facts = (
        f"{search['evaluations']:,} evaluations in {search['seconds']:.1f} s, hypervolume {search['hypervolume']:.3f}; "
        f"{rank['schemes']:,} joint schemes, {rank['measured']} networks measured, "
        f"Kendall's tau {rank['kendall_tau']:.2f}\n"
        f"models in {folder / 'models'}, the front in {folder / 'front.csv'}, all results in {folder / 'result.json'}"
    )
    return Group(table, Text(facts))
