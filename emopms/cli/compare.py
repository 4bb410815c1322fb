"""The command ``emopms compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from emopms.cli.engine import of_the_engine, show_results
from emopms.cli.output import printable
from emopms.cli.tables import Columns
from emopms.cli.terminal import progress_on_terminal
from emopms.spec import load_spec

if TYPE_CHECKING:
    import argparse

    from emopms.engine.comparison.compare import Comparison


def command(arguments: argparse.Namespace) -> None:
    """Compare specs and baselines (other pruning methods), show the progress, and print a table of the results."""
    specs = [load_spec(path, arguments.overrides) for path in arguments.specs]  # before importing torch
    with progress_on_terminal(quiet=arguments.quiet, log_level=arguments.log_level) as progress:
        from emopms.engine.comparison.compare import compare

        comparison = compare(specs, progress=progress, **of_the_engine(arguments))
    if not arguments.quiet:
        show_results(_table(comparison), comparison.folder)


def _table(comparison: Comparison) -> Group:
    table = Columns(
        *("target", "method", "MACs kept", "speed-up", "before fine-tuning", "after", "search", "evaluations"),
        left=("target", "method"),
    )
    for entry in comparison.summary["methods"]:
        table.add_row(
            entry["target"],
            entry["method"],
            f"{entry['macs_share']['mean']:.3f}",
            f"{entry['speedup']['mean']:.2f}",
            _percent(entry["accuracy_before"]),
            _percent(entry["accuracy"]),
            f"{entry['search_seconds']['mean']:.1f} s",
            f"{entry['evaluations']['mean']:,.0f}",
        )
    return Group(table, Text(), Text(printable(f"tables and rows: {comparison.folder}"), overflow="fold"))


def _percent(spread: dict[str, float | None]) -> str:
    deviation = f" ± {spread['sd']:.2%}" if spread["sd"] is not None else ""
    return f"{spread['mean']:.2%}{deviation}"
