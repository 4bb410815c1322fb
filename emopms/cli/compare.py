"""The command ``emopms compare``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emopms.cli.output import printable, show
from emopms.cli.tables import Columns, show_tables
from emopms.cli.terminal import progress_on_terminal
from emopms.spec import load_spec

if TYPE_CHECKING:
    import argparse
    from typing import Any


def command(arguments: argparse.Namespace) -> None:
    """Compare specs and baselines (other pruning methods), show the progress, and print a table of the results."""
    specs = [load_spec(path, arguments.overrides) for path in arguments.specs]  # before importing torch
    with progress_on_terminal(quiet=arguments.quiet, log_level=arguments.log_level) as progress:
        from emopms.engine.comparison.compare import compare

        comparison = compare(
            specs,
            run_dir=arguments.run_dir,
            data_root=arguments.data_root,
            device=arguments.device,
            progress=progress,
            command=["emopms", *sys.argv[1:]],
        )
    if not arguments.quiet:
        show_tables(_table(comparison.summary))
        show(f"tables and rows in {printable(comparison.folder)}")


def _table(summary: dict[str, Any]) -> Columns:
    table = Columns(
        *("target", "method", "MACs kept", "before fine-tuning", "after", "search", "evaluations"),
        left=("target", "method"),
    )
    for entry in summary["methods"]:
        table.add_row(
            entry["target"],
            entry["method"],
            f"{entry['macs_share']['mean']:.3f}",
            _percent(entry["accuracy_before"]),
            _percent(entry["accuracy"]),
            f"{entry['search_seconds']['mean']:.1f} s",
            f"{entry['evaluations']['mean']:,.0f}",
        )
    return table


def _percent(spread: dict[str, float | None]) -> str:
    deviation = f" ± {spread['sd']:.2%}" if spread["sd"] is not None else ""
    return f"{spread['mean']:.2%}{deviation}"
